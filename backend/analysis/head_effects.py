"""What each head does: ACC and LFR with one head silenced, and with one pruned head given back.

Kept as JSON in the run's folder; this module reads it and needs no torch (see `causal`, which measures)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from backend.base.events import Head, Interval
from backend.base.intervals import wilson
from backend.base.paths import run_folder
from backend.base.warm_process import call
from backend.spec.run import RunSpec

ROWS = 128
Measure = Literal["acc", "lfr"]
Kind = Literal["gated", "restored"]


class Effect(BaseModel):
    """Shares of the sample's rows: clean ones called right, triggered ones called the target class."""

    acc: float
    lfr: float | None = None


class Effects(BaseModel):
    """What was measured so far on `rows` clean and `triggered_rows` triggered test rows.

    `before` is the fine-tuned model, `gated` the same with one head silent; `after` is the defended
    model, which lacks the heads of `pruned`, `restored` the same with one of them speaking again (with the
    weights that it had when it was silenced).  Heads are written "layer.head"."""

    rows: int
    triggered_rows: int
    before: Effect
    gated: dict[str, Effect] = {}
    pruned: list[Head] = []
    after: Effect | None = None
    restored: dict[str, Effect] = {}

    def base(self, kind: Kind) -> Effect | None:
        """The model with nothing done to a head."""
        return self.before if kind == "gated" else self.after

    def of_head(self, head: Head, kind: Kind) -> Effect | None:
        """The model with that done to the head; None where it was not measured."""
        found = self.gated if kind == "gated" else self.restored
        return found.get(name_of(head))

    def rate(self, effect: Effect, measure: Measure) -> tuple[float | None, Interval | None]:
        """A share with its 95 % interval, from the number of rows that it was counted on."""
        share: float | None = getattr(effect, measure)
        rows = self.rows if measure == "acc" else self.triggered_rows
        if share is None or not rows:
            return share, None
        return share, wilson(round(share * rows), rows)


def name_of(head: Head) -> str:
    """As "layer.head"."""
    return f"{head[0]}.{head[1]}"


def file_of(run: str) -> Path:
    return run_folder(run) / "inspection" / "effects.json"


def read_effects(run: str) -> Effects | None:
    """What was measured so far; None if nothing was, or it cannot be read."""
    try:
        return Effects.model_validate_json(file_of(run).read_bytes())
    except (OSError, ValidationError):
        return None


def heads_left(found: Effects | None, layers: int, heads: int, pruned: Sequence[Head]) -> list[Head]:
    """The heads still to be measured where a defended model lacks those of `pruned`.  The last layer comes
    first: what lies below a head need not be computed again for the next."""
    every = [(layer, head) for layer in reversed(range(layers)) for head in range(heads)]
    if found is None:
        return every
    back = found.restored if found.pruned == sorted(pruned) else {}
    return [
        head
        for head in every
        if name_of(head) not in found.gated or (head in pruned and name_of(head) not in back)
    ]


def measure_head(run: str, spec: RunSpec, pruned: list[Head], head: Head) -> Effects:
    """A question for the warm process: see `backend.analysis.warm.head_effects.measure_head`."""
    answer: Effects = call("backend.analysis.warm.head_effects", "measure_head", run, spec, pruned, head)
    return answer
