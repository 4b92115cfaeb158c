"""Measure every head of a run in the background, one run after another.

One head is one question to the warm process, so that whoever waits for another answer is served between."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from backend.analysis.head_effects import heads_left, measure_head, read_effects
from backend.base.errors import UserError
from backend.base.events import Head
from backend.base.warm_process import warm_process
from backend.spec.run import RunSpec


@dataclass
class Measurement:
    """Of one run: waits for its turn, is under way, or is over (`error` says why too early)."""

    layers: int
    heads: list[Head]
    done: int = 0
    seconds: float = 0.0
    waiting: bool = True
    stopped: bool = False
    over: bool = False
    error: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """By the pace since the first head, which had to wait for models and rows; a head costs the layers
        from its own on.  None while there is no pace."""
        costs = [self.layers - layer for layer, _ in self.heads]
        paid = sum(costs[1 : self.done])
        return self.seconds * sum(costs[self.done :]) / paid if paid else None


class Measuring:
    """Measurements by run.  They go on when nobody looks; what they find is kept in the runs' folders."""

    def __init__(self, hand: Callable[..., Future[Any]] | None = None) -> None:
        self._hand = hand or warm_process().hand
        self._turn = threading.Lock()
        self._by_run: dict[str, Measurement] = {}

    def of(self, run: str) -> Measurement | None:
        """The last measurement of a run."""
        return self._by_run.get(run)

    def start(self, run: str, spec: RunSpec, layers: int, heads: int, pruned: Sequence[Head]) -> None:
        """Measure what is left to be measured of a run's heads, unless that is under way."""
        before = self.of(run)
        if before is not None and not before.over:
            before.stopped = False
            return
        one = Measurement(layers, heads_left(read_effects(run), layers, heads, pruned))
        self._by_run[run] = one
        # A daemon: the dashboard can end at any time, and the next one takes it up where it was.
        threading.Thread(target=self._measure, args=(one, run, spec, list(pruned)), daemon=True).start()

    def stop(self, run: str) -> None:
        """End it after the head that is being measured."""
        if (one := self.of(run)) is not None:
            one.stopped = True
            one.over |= one.waiting

    def _measure(self, one: Measurement, run: str, spec: RunSpec, pruned: list[Head]) -> None:
        with self._turn:
            one.waiting = False
            try:
                while one.done < len(one.heads) and not one.stopped:
                    began = time.monotonic()
                    self._hand(measure_head, run, spec, pruned, one.heads[one.done]).result()
                    one.seconds += time.monotonic() - began if one.done else 0.0
                    one.done += 1
            except UserError as error:
                one.error = str(error)
            except RuntimeError:
                pass  # The dashboard ends: no thread may be started any more.
            finally:
                one.over = True
