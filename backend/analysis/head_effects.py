"""What each head does: ACC and LFR with one head switched off, and with one pruned head restored.

Kept as JSON in the run's folder; this module reads it and needs no torch: `warm.head_effects` measures."""

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
    """Shares of the sample's rows: clean ones classified correctly, triggered ones as the target class."""

    acc: float
    lfr: float | None = None


class Effects(BaseModel):
    """What was measured so far on `rows` clean and `triggered_rows` triggered test rows.

    `before` is the fine-tuned model, or the one that was checked; `gated` the same with one head switched
    off; `after` is the defended model, which lacks the heads of `pruned`, `restored` the same with one of
    them restored (with the weights that it had when it was pruned).  Heads are written "layer.head"."""

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
        effects = self.gated if kind == "gated" else self.restored
        return effects.get(name_of(head))

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


def heads_left(effects: Effects | None, layers: int, heads: int, pruned: Sequence[Head]) -> list[Head]:
    """The heads still to be measured where a defended model lacks those of `pruned`.  The last layer comes
    first: layers below a head need not be computed again for the next head."""
    every = [(layer, head) for layer in reversed(range(layers)) for head in range(heads)]
    if effects is None:
        return every
    restored = effects.restored if effects.pruned == sorted(pruned) else {}
    return [
        head
        for head in every
        if name_of(head) not in effects.gated or (head in pruned and name_of(head) not in restored)
    ]


def measure_head(run: str, spec: RunSpec, pruned: list[Head], head: Head) -> Effects:
    """Asks the warm process: see `backend.analysis.warm.head_effects.measure_head`."""
    answer: Effects = call("backend.analysis.warm.head_effects", "measure_head", run, spec, pruned, head)
    return answer
