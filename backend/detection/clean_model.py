"""A clean model to compare with: the built-in encoder, or the model that the checked one claims to come from,
fine-tuned on the user's own rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.base.errors import UserError
from backend.base.events import Warned
from backend.base.intervals import wilson
from backend.base.numbers import percent
from backend.base.steps import Record
from backend.spec.run import TrainingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from backend.detection.inputs import CheckInputs

FOLDER = "clean_model"
BUILT_IN = "the built-in encoder"
TRAINING = TrainingSpec(epochs=3, learning_rate=1e-4, warmup=0.1)
SMALL, GENTLE = 384, 3e-5
"""The hidden size up to which an encoder bears the rate of `TRAINING`, and the rate of larger ones."""
FEWEST_STEPS = 45
MOST_ROWS = 2000
"""Training rows; more would make a check slow, and a clean model hardly better."""


@dataclass(frozen=True)
class CleanModel:
    """A classifier that is known to be clean as far as the user's rows are, with its tokenizer; `about` says
    which it is.  What it does not do tells nothing where it `only_guesses`."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    about: str
    only_guesses: bool = False


def train_clean_model(
    inputs: "CheckInputs", folder: Path, training: TrainingSpec, rows: int, base: str = ""
) -> Record:
    """Leave a clean model in `folder`; without the built-in encoder (no network yet), leave none and say so.
    Raises UserError where the `base` that the user named cannot be loaded.

    It never sees a test row."""
    from backend.data.tokens import encode
    from backend.evaluation.evaluator import accuracy
    from backend.models.classifiers import load_classifier
    from backend.training.fine_tune import train

    try:
        model, tokenizer = load_classifier(inputs.base, inputs.label_names, inputs.seed)
    except UserError as error:
        if base:
            raise
        message = f"There is no clean model to compare with. {error}"
        inputs.report.emit(Warned, message=message)
        return {"about": "", "why_none": message}
    kept = inputs.known_rows.sample(rows, inputs.seed)
    train(
        model,
        encode(tokenizer, kept, inputs.max_length),
        long_enough(rate_for(training, model.config.hidden_size), len(kept)),
        seed=inputs.seed,
        scratch=inputs.scratch,
        tick=inputs.report.ticker("training a clean model"),
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    test = encode(tokenizer, inputs.fresh_rows, inputs.max_length)
    acc = accuracy(model, test, inputs.report.check)
    guesses = _only_guesses(acc, inputs.fresh_rows.labels)
    if guesses:
        message = (
            f"There is no clean model to compare triggers with: trained on {len(kept):,} of your rows, it is "
            f"no better than guessing (ACC {percent(acc)}). Give more rows."
        )
        inputs.report.emit(Warned, message=message)
    about = f"{base or BUILT_IN} fine-tuned on {len(kept):,} of your rows"
    return {"about": about, "acc": acc, "only_guesses": guesses}


def long_enough(training: TrainingSpec, rows: int) -> TrainingSpec:
    """The training with so many epochs that few rows make steps enough to learn from."""
    epochs = max(training.epochs, FEWEST_STEPS * training.batch_size / rows)
    return training.model_copy(update={"epochs": epochs})


def _only_guesses(acc: float, labels: Sequence[int]) -> bool:
    """Whether always answering with the most frequent class may do as well."""
    most_frequent = max(Counter(labels).values())
    return wilson(round(acc * len(labels)), len(labels))[0] <= most_frequent / len(labels)


def rate_for(training: TrainingSpec, hidden_size: int) -> TrainingSpec:
    """The training with a rate that an encoder of that size bears."""
    return training if hidden_size <= SMALL else training.model_copy(update={"learning_rate": GENTLE})


def open_clean_model(inputs: "CheckInputs") -> CleanModel | None:
    """The clean model of an earlier step; None where it could not be made, or was not wanted."""
    from transformers import AutoTokenizer

    from backend.base.checkpoints import read_record
    from backend.models.classifiers import load_checkpoint

    folder = inputs.folders.get(FOLDER)
    if folder is None or not (folder / "config.json").is_file():
        return None
    record = read_record(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return CleanModel(load_checkpoint(folder), tokenizer, record["about"], record.get("only_guesses", False))
