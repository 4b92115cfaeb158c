"""A model's predictions for the held-out rows, saved with its checkpoint for significance tests."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from pydantic import TypeAdapter, ValidationError

FILE = "calls.json"


@dataclass(frozen=True)
class Predictions:
    """Class numbers in the order of the data: the predictions for the clean test rows (`test`) and their
    `labels`, and the predictions for the triggered rows, none of which belongs to the target class."""

    test: list[int]
    labels: list[int]
    triggered: list[int] = field(default_factory=list)
    target_class: int | None = None

    @property
    def correct(self) -> Bool[np.ndarray, "row"]:
        """Which test rows were classified correctly."""
        correct: Bool[np.ndarray, " row"] = np.array(self.test) == np.array(self.labels)
        return correct

    @property
    def flipped(self) -> Bool[np.ndarray, "triggered"]:
        """Which triggered rows were classified as the target class."""
        predicted = np.array(self.triggered, dtype=np.int64)
        flipped: Bool[np.ndarray, " triggered"] = predicted == self.target_class
        return flipped

    def save(self, folder: Path) -> None:
        """Save them in the folder of a stage."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_predictions(folder: Path) -> Predictions | None:
    """The predictions of a finished stage; None if there are none, or they cannot be read."""
    try:
        return TypeAdapter(Predictions).validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
