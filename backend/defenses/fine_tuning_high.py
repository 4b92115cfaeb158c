"""FTH: plain fine-tuning on clean data at a higher learning rate (arXiv 2508.20032, section 4)."""

from pydantic import Field

from backend.base.components import Component, Params
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning
from backend.spec.run import RunSpec


class HighRateParams(Params):
    learning_rate: float = Field(
        3e-4, gt=0, le=1, title="Learning rate", description="Of the only fine-tuning."
    )


def fine_tuning_high(spec: RunSpec, params: HighRateParams) -> RunSpec:
    spec = fine_tuning(spec, FineTuningParams())
    assert spec.defense is not None
    spec.defense.fine_tune = spec.defense.fine_tune.model_copy(update=params.model_dump())
    return spec


COMPONENT = Component(
    name="fth",
    title="Fine-tuning at a higher rate (FTH)",
    summary="Clean fine-tuning alone, at a higher learning rate.",
    params=HighRateParams,
    function=fine_tuning_high,
)
