"""What a model called each held-out row: kept beside its checkpoint, for tests that pair rows."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

FILE = "calls.json"


@dataclass(frozen=True)
class Calls:
    """The class called, by number: of every clean test row, and of every triggered one (None without a
    trigger), in the order of the data."""

    test: Int[np.ndarray, "row"]
    triggered: Int[np.ndarray, "triggered"] | None

    def save(self, folder: Path) -> None:
        """Write them into the folder of a stage."""
        triggered = None if self.triggered is None else self.triggered.tolist()
        found = {"test": self.test.tolist(), "triggered": triggered}
        (folder / FILE).write_text(json.dumps(found), encoding="utf-8")


def read_calls(folder: Path) -> Calls | None:
    """Those of a finished stage; None where it left none, or none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        triggered = found["triggered"]
        return Calls(
            np.array(found["test"], dtype=np.int64),
            None if triggered is None else np.array(triggered, dtype=np.int64),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
