"""FTH: plain fine-tuning on clean data at a higher learning rate (arXiv 2508.20032, section 4)."""

from pydantic import Field

from backend.base.steps import Defense, Steps
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning


class HighRateParams(FineTuningParams):
    learning_rate: float = Field(
        3e-4,
        gt=0,
        le=1,
        title="Learning rate",
        description="Of the only fine-tuning; replaces the one set there.",
    )


def fine_tuning_high(params: HighRateParams) -> Steps:
    training = params.fine_tune.model_copy(update={"learning_rate": params.learning_rate})
    yield from fine_tuning(FineTuningParams(train_rows=params.train_rows, fine_tune=training))


COMPONENT = Defense(
    name="fth",
    title="Fine-tuning at a higher rate (FTH)",
    summary="Clean fine-tuning alone, at a higher learning rate.",
    params=HighRateParams,
    function=fine_tuning_high,
)
