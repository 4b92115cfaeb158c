"""The stages of a run, as a generator of typed events.

generate → poison → fine-tune → score → prune → fine-tune again → evaluate.  Each stage leaves a
folder below the run's, with its checkpoint and an `excise.json` of what it found; a run that is taken
up again reads the folders that are there and goes on with the first that is not."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

from backend.base.device import probe
from backend.base.errors import Cancelled, message_of
from backend.base.events import Event, RunFinished, RunStarted
from backend.base.reporter import Reporter
from backend.engine.stage_cache import program
from backend.engine.stages import Stages
from backend.spec.run import RunSpec

program()  # now, as long as what was imported is what the files hold


def run(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event | None = None) -> Iterator[Event]:
    """Run `spec` with its artifacts below `folder`, yielding events; the last is `RunFinished`.

    Setting `stop`, or closing the generator, ends the run within one batch.  What goes wrong ends
    it as failed, with a message for the user; finished stages stay and are not done again."""
    stop = stop or threading.Event()
    # One event at a time: the engine does not run ahead of what its listener has stored.
    channel: Queue[Event | None] = Queue(maxsize=1)
    engine = threading.Thread(target=_drive, args=(spec, folder, run, stop, channel), name=f"run {run}")
    engine.start()
    try:
        while (event := channel.get()) is not None:
            yield event
    finally:
        stop.set()
        while engine.is_alive():
            with contextlib.suppress(Empty):
                channel.get(timeout=0.1)  # so that an engine that waits to speak can end


def _drive(
    spec: RunSpec, folder: Path, run: str, stop: threading.Event, channel: "Queue[Event | None]"
) -> None:
    began = time.monotonic()
    ending = RunFinished(run=run, state="failed", random_weights=spec.model.random_weights)
    stages: Stages | None = None
    try:
        resumed = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        report = Reporter(run, stop, channel.put)
        report.emit(RunStarted, spec=spec.model_dump(mode="json"), device=probe().name, resumed=resumed)
        stages = Stages(spec, folder, report)
        stages.run()
        ending.state = "done"
    except Cancelled:
        ending.state = "cancelled"
    except BaseException as error:  # a panic in a library written in Rust is no Exception
        ending.error = message_of(error, folder)
    if stages is not None:
        ending.metrics = stages.metrics
        ending.pruned_heads = stages.pruned_heads
    ending.seconds = time.monotonic() - began
    ending.time = time.time()
    channel.put(ending)
    channel.put(None)
