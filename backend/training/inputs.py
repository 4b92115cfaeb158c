"""What the work of a step has before it: clean rows, the victim, the folders of earlier steps."""

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
"""ACC and LFR of a sample of the held-out rows with some heads gated; no LFR where there is no trigger."""


@dataclass(frozen=True)
class Inputs:
    """Nothing here knows the trigger or a held-out row, but for `curve`, whose numbers are for those who
    watch and may decide nothing."""

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
        """The clean training rows, or a stratified sample of so many."""
        return self.train if rows is None else self.train.sample(rows, self.seed)

    def load_victim(self, seed: int) -> PreTrainedModel:
        """The downloaded model; a head that it lacks is drawn from `seed`.  Raises UserError."""
        return load_classifier(self.victim, self.label_names, seed)[0]

    def load(self, folder: str) -> PreTrainedModel:
        """The model that an earlier step left."""
        return load_checkpoint(self.folders[folder])

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Leave a model with its tokenizer."""
        model.save_pretrained(folder)
        self.train.tokenizer.save_pretrained(folder)
