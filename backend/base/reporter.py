"""How the engine reports its work: it sends events, and checks at every batch whether to stop."""

import threading
import time
from collections.abc import Callable
from typing import Any

from backend.base.errors import Cancelled
from backend.base.events import Event, Progress, StageFinished, StageStarted
from backend.base.progress import Tick
from backend.base.steps import Stage

SECONDS_BETWEEN_PROGRESS = 0.5


class Reporter:
    """Sends the events of one run to `send`; every call raises Cancelled once `stop` is set."""

    def __init__(self, run: str, stop: threading.Event, send: Callable[[Event], None]) -> None:
        self.run = run
        self.stop = stop
        self.send = send
        self.stage = "prepare"
        self._stage_began = 0.0

    def emit(self, kind: type[Any], /, **fields: Any) -> None:
        """Send an event of type `kind` for this run."""
        self.check()
        self.send(kind(run=self.run, **fields))

    def check(self, done: int = 0, total: int = 0) -> None:
        """A tick that only checks whether to stop."""
        if self.stop.is_set():
            raise Cancelled

    def begin(self, stage: Stage) -> None:
        self.stage = stage.name
        self._stage_began = time.monotonic()
        self.emit(StageStarted, stage=stage.name, title=stage.title)

    def finish(self, reused: bool = False) -> None:
        seconds = time.monotonic() - self._stage_began
        self.emit(StageFinished, stage=self.stage, seconds=seconds, reused=reused)

    def ticker(self, detail: str, unit: str = "batches") -> Tick:
        """A tick that reports progress of one piece of work, at most about twice a second."""
        began = time.monotonic()
        last = 0.0

        def tick(done: int, total: int) -> None:
            nonlocal last
            self.check()
            now = time.monotonic()
            if now - last < SECONDS_BETWEEN_PROGRESS and done < total:
                return
            last = now
            seconds_left = (now - began) / done * (total - done) if done else None
            self.emit(
                Progress,
                stage=self.stage,
                done=done,
                total=total,
                unit=unit,
                seconds_left=seconds_left,
                detail=detail,
            )

        return tick
