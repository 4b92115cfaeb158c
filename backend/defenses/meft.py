"""MEFT: output entropy on clean data is maximised first, then the model is fine-tuned (Liu et al.,
Findings of ACL 2023; a baseline of arXiv 2508.20032, section 4).  With a fresh head entropy is near its
maximum from the start."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from backend.base.steps import Defense, Record, Stage, Step, Steps
from backend.defenses.fine_tuning import ACCURACIES, FINE_TUNED, FineTuningParams, fine_tuned, leave
from backend.spec.run import TrainingSpec

if TYPE_CHECKING:
    from backend.training.inputs import Inputs
    from backend.training.regularisers import Regulariser


ENTROPY_FIRST = Stage(
    "fine_tune",
    "Maximise entropy, then fine-tune on clean data",
    "The downloaded model is first made as uncertain as possible on clean rows, and then fine-tuned on them.",
)


class MeftParams(FineTuningParams):
    epochs: float = Field(1, gt=0, le=100, title="Epochs", description="Of maximising entropy.")
    learning_rate: float = Field(
        2e-5, gt=0, le=1, title="Learning rate", description="Of maximising entropy."
    )

    @property
    def begins_plainly(self) -> bool:
        return False


def meft(params: MeftParams) -> Steps:
    entropy = params.fine_tune.model_copy(
        update={"epochs": params.epochs, "learning_rate": params.learning_rate}
    )
    yield entropy_first(params.train_rows, entropy, params.fine_tune)
    yield leave("fine_tuned")


def entropy_first(
    rows: int | None,
    entropy: TrainingSpec,
    training: TrainingSpec,
    regulariser: "Regulariser | None" = None,
) -> Step:
    """Entropy maximisation, followed by the first fine-tuning."""
    return Step(
        ENTROPY_FIRST,
        "fine_tuned",
        maximise_entropy_then_fine_tune,
        (rows, entropy, training, regulariser),
        model="fine_tuned",
        caption=FINE_TUNED,
        expected=ACCURACIES,
    )


def maximise_entropy_then_fine_tune(
    inputs: "Inputs",
    folder: Path,
    rows: int | None,
    entropy: TrainingSpec,
    training: TrainingSpec,
    regulariser: "Regulariser | None",
) -> Record:
    from backend.training.fine_tune import train
    from backend.training.regularisers import Regulariser

    model = inputs.load_victim(inputs.seed + 1)
    train(
        model,
        inputs.some(rows),
        entropy,
        seed=inputs.seed + 1,
        scratch=inputs.scratch / "entropy",
        regulariser=Regulariser(entropy=True),
        tick=inputs.report.ticker("maximising entropy"),
    )
    return fine_tuned(inputs, folder, model, rows, training, regulariser)


COMPONENT = Defense(
    name="meft",
    title="Maximum entropy, then fine-tuning (MEFT)",
    summary="First makes the outputs as uncertain as possible, then fine-tunes on clean data.",
    params=MeftParams,
    function=meft,
)
