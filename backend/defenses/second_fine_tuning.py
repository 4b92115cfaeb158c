"""The decisive control: both fine-tunings and the regulariser unchanged, and no head pruned.

A strategy's own part in the first fine-tuning (sparsification's penalty) is left out.  The second
fine-tuning is defined here for every defense that has one (arXiv 2508.20032, section 3; attention
normalisation: Zhao et al., ICML 2024)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from backend.base.events import Head
from backend.base.steps import VICTIM, Defense, Record, Stage, Step, Steps
from backend.defenses.fine_tuning import FineTuningParams, first_fine_tuning, leave
from backend.spec.run import TrainingSpec

if TYPE_CHECKING:
    from backend.training.inputs import Inputs
    from backend.training.regularisers import Regulariser

From = Literal["downloaded", "pruned"]
Kind = Literal["none", "attention-normalisation", "l2"]

REFINE = Stage(
    "refine",
    "Fine-tune again without the pruned heads",
    "The model is fine-tuned once more on clean data while the pruned heads stay switched off.",
)
REGULARISER_WEIGHT = 0.15


class SecondParams(FineTuningParams):
    refine: TrainingSpec | None = Field(
        TrainingSpec(), title="Second fine-tuning", description="Empty: as the first one."
    )
    refine_from: From = Field(
        "downloaded",
        title="Fine-tune again from",
        description="The downloaded encoder with a fresh head, or the fine-tuned model.",
    )
    regulariser: Kind = Field(
        "attention-normalisation",
        title="Regulariser of the second fine-tuning",
        description="PURE's attention normalisation, or the L2 norm of the heads' weights.",
    )
    regulariser_weight: float = Field(REGULARISER_WEIGHT, ge=0, title="Regulariser weight")

    @property
    def fine_tunes_again(self) -> bool:
        return True


def second(params: SecondParams) -> Steps:
    yield first_fine_tuning(params.train_rows, params.fine_tune)
    yield second_fine_tuning(
        [],
        params.train_rows,
        params.refine or params.fine_tune,
        params.refine_from,
        params.regulariser,
        params.regulariser_weight,
    )
    yield leave("refined")


def second_fine_tuning(
    pruned: Sequence[Head],
    rows: int | None,
    training: TrainingSpec,
    start: From,
    kind: Kind,
    weight: float,
) -> Step:
    """A fine-tuning in which the heads of `pruned` stay gated throughout.

    The fine-tuned model is read only if training starts from it, or its heads set the weights of attention
    normalisation: otherwise the step is the same for all runs that prune the same heads."""
    reads = start == "pruned" or kind == "attention-normalisation"
    return Step(
        REFINE,
        "refined",
        refine,
        (sorted(pruned), rows, training, start, kind, weight),
        reads=(VICTIM, "fine_tuned") if reads else (VICTIM,),
    )


def refine(
    inputs: "Inputs",
    folder: Path,
    heads: Sequence[Head],
    rows: int | None,
    training: TrainingSpec,
    start: From,
    kind: Kind,
    weight: float,
) -> Record:
    from backend.heads.grid import HeadGrid
    from backend.heads.order import grid_of
    from backend.heads.surgery import zeroed
    from backend.training.fine_tune import train

    regulariser = _regulariser(inputs, heads, kind, weight)
    model = inputs.load("fine_tuned") if start == "pruned" else inputs.load_victim(inputs.seed + 2)
    grid = HeadGrid(model)
    grid.gate(grid_of(heads, grid.shape))
    train(
        model,
        inputs.some(rows),
        training,
        seed=inputs.seed + 2,
        scratch=inputs.scratch,
        regulariser=regulariser,
        tick=inputs.report.ticker("training without the pruned heads"),
    )
    inputs.save(zeroed(grid), folder)
    return {}


def _regulariser(inputs: "Inputs", heads: Sequence[Head], kind: Kind, weight: float) -> "Regulariser":
    """Attention normalisation takes its layers' weights from the remaining heads of the fine-tuned model."""
    import torch

    from backend.heads.order import grid_of
    from backend.heads.statistics import layer_weights
    from backend.pruning.defender import Defender
    from backend.training.regularisers import NO_REGULARISER, Regulariser

    if kind == "l2":
        return Regulariser(l2=weight)
    if kind == "none":
        return NO_REGULARISER
    defender = Defender.over(inputs, inputs.load("fine_tuned"))
    defender.grid.gate(grid_of(heads, defender.shape))
    statistic = torch.as_tensor(defender.cls_variance())
    remaining = torch.as_tensor(~defender.grid.pruned(), dtype=statistic.dtype)
    return Regulariser(attention=weight, layers=layer_weights(statistic, remaining))


COMPONENT = Defense(
    name="second-fine-tuning",
    title="Second fine-tuning alone (control)",
    summary="The same second fine-tuning and regulariser, with no head pruned.",
    params=SecondParams,
    function=second,
    control=True,
)
