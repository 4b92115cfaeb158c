"""Measure every head of a run in the background, one run after another.

One head is one question to the warm process, so that other questions are answered in between."""

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
    """Of one run: waits for its turn, is under way, or is over (`error` says why it ended early)."""

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
    """Measurements by run.  They go on when no page is open; results are kept in the runs' folders."""

    def __init__(self, hand: Callable[..., Future[Any]] | None = None) -> None:
        self._hand = hand or warm_process().hand
        self._turn = threading.Lock()
        self._by_run: dict[str, Measurement] = {}

    def of(self, run: str) -> Measurement | None:
        """The last measurement of a run."""
        return self._by_run.get(run)

    def start(self, run: str, spec: RunSpec, layers: int, heads: int, pruned: Sequence[Head]) -> None:
        """Measure what is left to be measured of a run's heads, unless that is under way."""
        previous = self.of(run)
        if previous is not None and not previous.over:
            previous.stopped = False
            return
        measurement = Measurement(layers, heads_left(read_effects(run), layers, heads, pruned))
        self._by_run[run] = measurement
        # A daemon: the dashboard can end at any time, and the next start goes on from the last head.
        threading.Thread(
            target=self._measure, args=(measurement, run, spec, list(pruned)), daemon=True
        ).start()

    def stop(self, run: str) -> None:
        """End it after the head that is being measured."""
        if (measurement := self.of(run)) is not None:
            measurement.stopped = True
            measurement.over |= measurement.waiting

    def _measure(self, measurement: Measurement, run: str, spec: RunSpec, pruned: list[Head]) -> None:
        with self._turn:
            measurement.waiting = False
            try:
                while measurement.done < len(measurement.heads) and not measurement.stopped:
                    began = time.monotonic()
                    self._hand(measure_head, run, spec, pruned, measurement.heads[measurement.done]).result()
                    measurement.seconds += time.monotonic() - began if measurement.done else 0.0
                    measurement.done += 1
            except UserError as error:
                measurement.error = str(error)
            except RuntimeError:
                pass  # The dashboard is closing: no thread can be started any more.
            finally:
                measurement.over = True
