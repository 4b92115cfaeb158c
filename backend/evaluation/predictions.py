"""What a model called each held-out row: kept beside its checkpoint, for tests that pair rows."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from pydantic import TypeAdapter, ValidationError

FILE = "calls.json"


@dataclass(frozen=True)
class Predictions:
    """Classes by number, in the order of the data: what every clean test row was called and is
    (`labels`), and what every triggered row was called, none of which is of the target class."""

    test: list[int]
    labels: list[int]
    triggered: list[int] = field(default_factory=list)
    target_class: int | None = None

    @property
    def right(self) -> Bool[np.ndarray, "row"]:
        """Which test rows were called by their label."""
        right: Bool[np.ndarray, " row"] = np.array(self.test) == np.array(self.labels)
        return right

    @property
    def flipped(self) -> Bool[np.ndarray, "triggered"]:
        """Which triggered rows were called the target class."""
        called = np.array(self.triggered, dtype=np.int64)
        flipped: Bool[np.ndarray, " triggered"] = called == self.target_class
        return flipped

    def save(self, folder: Path) -> None:
        """Write them into the folder of a stage."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_predictions(folder: Path) -> Predictions | None:
    """Those of a finished stage; None where it left none, or none that can be read."""
    try:
        return TypeAdapter(Predictions).validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
