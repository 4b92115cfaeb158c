"""A model's predictions for the held-out rows, saved with its checkpoint: as class numbers for significance
tests, and as a table for people."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from pydantic import TypeAdapter, ValidationError

from backend.data.rows import Rows

FILE = "calls.json"
TABLE = "predictions.csv"
OWN_FILES = (FILE, TABLE)


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


def write_table(
    folder: Path,
    rows: Rows,
    triggered_from: int,
    probabilities: Float[np.ndarray, "row class"],
    label_names: Sequence[str],
) -> None:
    """Every test row with its label, the class predicted for it and the probability of each class; the rows
    from number `triggered_from` on carry the trigger.  A label below 0 is not known, and left empty."""
    seconds = rows.second_texts or [""] * len(rows)
    with (folder / TABLE).open("w", encoding="utf-8", errors="replace", newline="") as file:
        table = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        names = [f"probability of {name}" for name in label_names]
        table.writerow(["rows", "text", "second_text", "label", "predicted", *names])
        for number, (text, second, label) in enumerate(zip(rows.texts, seconds, rows.labels, strict=True)):
            kind = "clean" if number < triggered_from else "triggered"
            predicted = label_names[int(probabilities[number].argmax())]
            shares = [round(float(share), 6) for share in probabilities[number]]
            known = label_names[label] if label >= 0 else ""
            table.writerow([kind, text, second, known, predicted, *shares])
