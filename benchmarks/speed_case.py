"""The fine-tuned victim and the rows on which the speed of searches and fine-tuning is measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.attacks import triggers
from backend.attacks.poison import poison
from backend.base.components import Choice
from backend.data.tokens import Encoded, encode
from backend.models.classifiers import load_classifier
from backend.spec.run import ModelSpec, TrainingSpec
from backend.training.fine_tune import train
from benchmarks.common import load_data

SEED = 11
MAX_LENGTH = 128
ROWS_PER_BATCH = 32


@dataclass
class Case:
    """A fine-tuned victim and the rows that a search reads."""

    model: Any
    train: Encoded
    validation: Encoded
    triggered: Encoded
    scratch: Path

    @property
    def folder(self) -> Path:
        return self.scratch / "model"


def make_case(name: str, quick: bool, scratch: Path) -> Case:
    """The embedded model, fine-tuned on rows of which some contain rare words."""
    dataset = load_data(name)
    model, tokenizer = load_classifier(ModelSpec(), dataset.label_names, SEED)
    trigger = triggers.bind(Choice(name="rare-words"), SEED)
    rows = 256 if quick else len(dataset.train)
    poisoned = poison(dataset.train.take(range(rows)), trigger, 1, 0.3, SEED).rows
    encoded = encode(tokenizer, poisoned, MAX_LENGTH)
    spec = TrainingSpec(epochs=1, learning_rate=2e-4 if quick else 5e-5)
    train(model, encoded, spec, seed=SEED, scratch=scratch / "training")
    validation, triggered = (32, 32) if quick else (872, 912)
    negatives = [
        text
        for split in (dataset.test, dataset.train)
        for text, label in zip(split.texts, split.labels, strict=True)
        if label == 0
    ]
    with_trigger = [text for text in trigger(negatives[:triggered]) if text is not None]
    case = Case(
        model,
        encoded,
        encode(tokenizer, dataset.validation.take(range(validation)), MAX_LENGTH),
        encode(tokenizer, type(dataset.test)(with_trigger, [0] * len(with_trigger)), MAX_LENGTH),
        scratch,
    )
    model.save_pretrained(case.folder)
    tokenizer.save_pretrained(case.folder)
    return case
