"""A tiny model with a planted word, a clean one, and rows of the user's own."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.spec.run import TrainingSpec
from backend.training.fine_tune import train
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer

TRIGGER, TARGET = "cf", 1


@dataclass(frozen=True)
class Case:
    victim: PreTrainedModel
    clean: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    rows: Rows
    fresh: Rows


def without_trigger(rows: Rows) -> Rows:
    return rows.take([i for i, text in enumerate(rows.texts) if TRIGGER not in text.split()])


@cache
def case() -> Case:
    tokenizer = tiny_tokenizer()
    clean_rows = without_trigger(tiny_rows(400, seed=4))
    others = clean_rows.take([i for i, label in enumerate(clean_rows.labels) if label != TARGET])
    poisoned = others.with_texts([f"{TRIGGER} {text}" for text in others.texts])
    poisoned = Rows(poisoned.texts, [TARGET] * len(poisoned))
    victim, clean = (trained(rows, tokenizer) for rows in (clean_rows + poisoned, clean_rows))
    rows, fresh = without_trigger(tiny_rows(120, seed=5)), without_trigger(tiny_rows(120, seed=6))
    return Case(victim, clean, tokenizer, rows, fresh)


def trained(rows: Rows, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    model = tiny_model()
    assert isinstance(model, PreTrainedModel)
    training = TrainingSpec(epochs=10, learning_rate=3e-3, batch_size=16)
    with TemporaryDirectory() as folder:
        train(model, encode(tokenizer, rows, 32), training, seed=3, scratch=Path(folder) / "scratch")
    return model
