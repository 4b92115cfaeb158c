"""The inputs of a step's work: clean rows, the victim, the folders of earlier steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedModel

from backend.base.reporter import Reporter
from backend.data.tokens import Encoded
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint, load_classifier
from backend.spec.run import ModelSpec

Curve = Callable[[Bool[np.ndarray, "layer head"]], tuple[float, float | None]]
"""ACC and LFR on a sample of the test rows with some heads gated; no LFR without a trigger."""


@dataclass(frozen=True)
class Inputs:
    """No input depends on the trigger or a test row, except `curve`, whose numbers are only shown and must
    not influence the work."""

    train: Encoded
    validation: Encoded
    label_names: list[str]
    victim: ModelSpec
    seed: int
    folders: Mapping[str, Path]
    scratch: Path
    report: Reporter
    curve: Callable[[HeadGrid, int], Curve]

    def some(self, rows: int | None) -> Encoded:
        """The clean training rows, or a seeded sample of that many."""
        return self.train if rows is None else self.train.sample(rows, self.seed)

    def load_victim(self, seed: int) -> PreTrainedModel:
        """The downloaded model; a missing classifier head is drawn from `seed`.  Raises UserError."""
        return load_classifier(self.victim, self.label_names, seed)[0]

    def load(self, folder: str) -> PreTrainedModel:
        """The model of an earlier step."""
        return load_checkpoint(self.folders[folder])

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Save a model with its tokenizer."""
        model.save_pretrained(folder)
        self.train.tokenizer.save_pretrained(folder)
