"""FT: plain fine-tuning on clean data, and nothing else (arXiv 2508.20032, section 4).

Its fine-tuning is the first step of most other defenses, and `leave` the last."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from backend.base.checkpoints import RECORD
from backend.base.files import link
from backend.base.steps import Defense, DefenseParams, Record, Stage, Step, Steps, TextFilter
from backend.spec.run import TrainingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from backend.training.inputs import Inputs
    from backend.training.regularisers import Regulariser


FINE_TUNE = Stage(
    "fine_tune",
    "Fine-tune on clean data",
    "The defender knows no trigger. They fine-tune the downloaded model on their own clean data; "
    "a backdoor usually survives this.",
)
ACCURACIES = {"val_acc": 1.0, "val_balanced_acc": 1.0}
"""An example of what a fine-tuning records."""
FINE_TUNED = "After fine-tuning on clean data"
EVALUATE = Stage(
    "evaluate",
    "Evaluate",
    "The exported model is measured on clean and triggered test rows that were used for nothing else.",
)


class FineTuningParams(DefenseParams):
    train_rows: int | None = Field(
        None, ge=8, title="Defender's rows", description="Clean training rows to defend with; empty: all."
    )
    fine_tune: TrainingSpec = Field(
        TrainingSpec(), title="Fine-tuning", description="On clean rows, from the downloaded model."
    )


def fine_tuning(params: FineTuningParams) -> Steps:
    yield first_fine_tuning(params.train_rows, params.fine_tune)
    yield leave("fine_tuned")


def first_fine_tuning(
    rows: int | None, training: TrainingSpec, regulariser: "Regulariser | None" = None
) -> Step:
    """The fine-tuning that every user of a downloaded model does: f_p."""
    return Step(
        FINE_TUNE,
        "fine_tuned",
        fine_tune,
        (rows, training, regulariser),
        model="fine_tuned",
        caption=FINE_TUNED,
        expected=ACCURACIES,
    )


def fine_tune(
    inputs: "Inputs",
    folder: Path,
    rows: int | None,
    training: TrainingSpec,
    regulariser: "Regulariser | None",
) -> Record:
    return fine_tuned(inputs, folder, inputs.load_victim(inputs.seed + 1), rows, training, regulariser)


def fine_tuned(
    inputs: "Inputs",
    folder: Path,
    model: "PreTrainedModel",
    rows: int | None,
    training: TrainingSpec,
    regulariser: "Regulariser | None",
) -> Record:
    """`model` fine-tuned on clean rows and left in `folder`, with its validation accuracies."""
    from backend.evaluation.evaluator import accuracies
    from backend.training.fine_tune import train
    from backend.training.regularisers import NO_REGULARISER

    train(
        model,
        inputs.some(rows),
        training,
        seed=inputs.seed + 1,
        scratch=inputs.scratch,
        regulariser=regulariser or NO_REGULARISER,
        tick=inputs.report.ticker("training on clean rows"),
    )
    inputs.save(model, folder)
    val_acc, val_balanced_acc = accuracies(model, inputs.validation, inputs.report.check)
    return {"val_acc": val_acc, "val_balanced_acc": val_balanced_acc}


def leave(source: str, text_filter: TextFilter | None = None) -> Step:
    """Export the model of `source` as the defended one, and measure it as its users will load it."""
    return Step(
        EVALUATE,
        "defended",
        hand_over,
        (source,),
        reads=(source,),
        model="defended",
        caption="What the defense leaves behind",
        text_filter=text_filter,
    )


def hand_over(inputs: "Inputs", folder: Path, source: str) -> Record:
    from backend.evaluation.predictions import OWN_FILES

    link(inputs.folders[source], folder, RECORD, *OWN_FILES)
    return {}


COMPONENT = Defense(
    name="ft",
    title="Fine-tuning (FT)",
    summary="Clean fine-tuning alone; no head is pruned.",
    params=FineTuningParams,
    function=fine_tuning,
)
