"""PURE in full: heads of least variance are pruned under the guardrail, then the downloaded model is
fine-tuned without them and with attention normalisation (Zhao et al., ICML 2024)."""

from pydantic import Field

from backend.base.components import Choice
from backend.base.steps import Defense, Steps
from backend.defenses.head_pruning import GuardedParams, HeadPruningParams, head_pruning
from backend.defenses.second_fine_tuning import REGULARISER_WEIGHT
from backend.spec.run import TrainingSpec

VARIANCE = Choice(name="variance")


class PureParams(GuardedParams):
    weight: float = Field(REGULARISER_WEIGHT, ge=0, title="Weight", description="Of attention normalisation.")
    refine: TrainingSpec | None = Field(
        TrainingSpec(), title="Second fine-tuning", description="Empty: as the first one."
    )

    @property
    def fine_tunes_again(self) -> bool:
        return True

    def strategies(self) -> tuple[Choice, ...]:
        return (VARIANCE,)


def pure(params: PureParams) -> Steps:
    guarded = {name: getattr(params, name) for name in GuardedParams.model_fields}
    second = params.refine or params.fine_tune
    yield from head_pruning(
        HeadPruningParams(strategy=VARIANCE, refine=second, regulariser_weight=params.weight, **guarded)
    )


COMPONENT = Defense(
    name="pure",
    title="PURE",
    summary="Variance pruning under the guardrail, then fine-tuning with attention normalisation.",
    params=PureParams,
    function=pure,
)
