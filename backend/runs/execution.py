"""Carries out one run under a lease: writes the engine's events to the store, passes cancel requests on."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar, cast

from backend import __version__
from backend.base.errors import Cancelled, UserError, message_of
from backend.base.events import Event, Progress, RunFinished, StageFinished
from backend.base.paths import run_folder
from backend.runs.leases import Lease, LeaseLost, append, fail, finish, release, renew, wish
from backend.runs.store import Store

Engine = Callable[..., Iterator[Event]]  # a generator function, see `backend.engine.run.run`
Arguments = ParamSpec("Arguments")
Outcome = TypeVar("Outcome")

POLL_SECONDS = 0.5  # how often cancel requests are checked
# How long to wait for a run that was asked to stop.  Polls and writes beside a busy engine take up to three
# seconds more; users are promised ten.
GRACE_SECONDS = 6.0
HARD_END = (
    "It did not stop by itself within ten seconds, so it was ended by force. Its finished stages are kept."
)
RENEW_SECONDS = 3.0
PROGRESS_SECONDS = 0.45  # stored progress is at least this far apart
PATIENCE_SECONDS = 60.0  # how long to retry a locked or full store before giving the run up

_hanging: list[Future[None]] = []


class Control:
    """Stops a run: the engine watches `stop`, and `why` is the first reason for it (a run that was lost need
    not be cancelled any more).

    "cancel": end as cancelled; "leave": this process must end, the run goes back to the queue; "lost":
    another worker has the run.  An engine that has not stopped after `grace_seconds` is abandoned."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.grace_seconds = grace_seconds
        self._halted: float | None = None
        self.stop = threading.Event()
        self.why: Literal["cancel", "leave", "lost"] | None = None

    def halt(self, why: Literal["cancel", "leave", "lost"] | None) -> None:
        """Stop the engine within one batch; `why` is None if its events are merely no longer read."""
        if self._halted is None:
            self._halted = time.monotonic()
        if self.why is None or (self.why, why) == ("cancel", "lost"):
            self.why = why
        self.stop.set()

    @property
    def overdue(self) -> bool:
        """Whether the engine was asked to stop and has not done so in time."""
        return self._halted is not None and time.monotonic() - self._halted >= self.grace_seconds


def execute(
    store: Store, lease: Lease, engine: Engine | None = None, control: Control | None = None
) -> Generator[Event]:
    """Carry the leased run out, yielding each event once it is stored (progress thinned out).

    Ends without a RunFinished when the run was lost to another worker or put back into the queue
    because of `control.halt("leave")`.  Closing the generator puts the run back too.  An unexpected
    error ends the run as failed, with its traceback in `error.log` of the run's folder.  An engine
    that does not stop in time is abandoned in its thread, and the run ends as if it had stopped:
    this process should end then too, see `engine_hangs`.
    Raises UserError when the store cannot be written for a minute: the lease then expires, and the
    run goes on from its last finished stage."""
    control = control or Control()
    folder = run_folder(lease.run)
    with _heartbeat(store, lease, control):
        try:
            yield from _carry_out(store, lease, engine, control, folder)
        except LeaseLost:
            control.halt("lost")
        except (GeneratorExit, KeyboardInterrupt):
            if control.why == "cancel":  # the heartbeat may not have stored it yet
                with suppress(UserError):
                    store.cancel(lease.run)
            control.halt("leave")
            _put_back(store, lease)
            raise


def _carry_out(
    store: Store, lease: Lease, engine: Engine | None, control: Control, folder: Path
) -> Generator[Event]:
    stored, began = 0.0, time.time()
    with closing(_in_thread(_engine_events(lease, engine, control, folder), control)) as events:
        try:
            for event in events:
                if isinstance(event, RunFinished):
                    event.seconds += _with_retries(_seconds_before, store, lease.run, began)
                    yield from _end(store, lease, control, event)
                    return
                if isinstance(event, Progress):
                    if time.monotonic() - stored < PROGRESS_SECONDS and event.done < event.total:
                        continue
                    stored = time.monotonic()
                _with_retries(append, store, lease, event)
                yield event
            error = "The engine ended without a result."
        except _EngineFailed as failure:
            error = str(failure)
        except _EngineHangs:
            if control.why == "cancel":
                yield _with_retries(fail, store, lease, HARD_END, state="cancelled")
            else:
                yield from _end(store, lease, control, RunFinished(run=lease.run, state="cancelled"))
            return
        yield _with_retries(fail, store, lease, error)


class _EngineFailed(Exception):
    """One sentence for the user about an error that the engine raised, unlike one of the store."""


class _EngineHangs(Exception):
    """The engine was asked to stop and did not."""


def _in_thread(events: Generator[Event], control: Control) -> Generator[Event]:
    """The same events, fetched one by one in another thread, so that an engine that hangs can be abandoned;
    raises _EngineHangs."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
    try:
        while (event := _fetched(thread.submit(next, events, None), control)) is not None:
            if control.overdue and not isinstance(event, RunFinished):
                raise _EngineHangs
            yield event
    finally:
        control.halt(None)
        closed = thread.submit(events.close)
        try:
            with suppress(_EngineHangs):
                _fetched(closed, control)
        finally:
            if not closed.done():
                _hanging.append(closed)
            thread.shutdown(wait=closed.done())


def _fetched(future: Future[Outcome], control: Control) -> Outcome:
    while not future.done():
        if control.overdue:
            raise _EngineHangs
        wait([future], timeout=POLL_SECONDS)
    return future.result()


def engine_hangs() -> bool:
    """Whether an engine that did not stop still works in a thread of this process."""
    return any(not closed.done() for closed in _hanging)


def end_by_force(status: int) -> NoReturn:
    """Exit at once, without waiting for an engine that hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _engine_events(lease: Lease, engine: Engine | None, control: Control, folder: Path) -> Generator[Event]:
    """The engine's events; whatever it raises becomes _EngineFailed."""
    try:
        # Not created here: an existing folder tells the engine that the run is resumed.
        iterator = (engine or default_engine())(lease.spec, folder, run=lease.run, stop=control.stop)
        with closing(cast(Generator[Event], iterator)) as events:
            for number, event in enumerate(events):
                if number == 0:
                    _note_versions(folder)
                yield event
    except Cancelled:
        yield RunFinished(run=lease.run, state="cancelled")
    except Exception as error:
        raise _EngineFailed(message_of(error, folder)) from error


def _end(store: Store, lease: Lease, control: Control, event: RunFinished) -> Iterator[Event]:
    """The last event; a run that stopped only because this process must end is not over."""
    if event.state == "cancelled" and control.why == "lost":
        return
    if event.state == "cancelled" and control.why == "leave":
        run_finished = _with_retries(release, store, lease)
        if run_finished is not None:
            yield run_finished
        return
    _with_retries(finish, store, lease, event)
    yield event


def _seconds_before(store: Store, run: str, began: float) -> float:
    """Seconds that earlier processes spent on stages they finished; the engine counts only its own."""
    stages = [event for _, event in store.events(run, types=["stage_finished"]) if event.time < began]
    return sum(event.seconds for event in stages if isinstance(event, StageFinished) and not event.reused)


def _put_back(store: Store, lease: Lease) -> None:
    try:
        release(store, lease)
    except (LeaseLost, UserError):
        return  # it is over, another worker has it, or the lease will expire by itself


def _with_retries(
    write: Callable[Arguments, Outcome], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Outcome:
    """Retry, as a store that is locked or full for a moment must not cost hours of training."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return write(*args, **kwargs)
        except UserError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def default_engine() -> Engine:
    """The real engine; imported here because it loads torch."""
    from backend.engine import run

    return run.run


@contextmanager
def _heartbeat(store: Store, lease: Lease, control: Control) -> Iterator[None]:
    """Keeps the lease and watches for cancel requests, in a thread of its own."""
    over = threading.Event()

    def beat() -> None:
        renewed, cancel_stored = time.monotonic(), False
        while not over.wait(POLL_SECONDS):
            try:
                if control.why == "cancel" and not cancel_stored:
                    # If this process dies before the run has ended, no worker may resume it.
                    store.cancel(lease.run)
                    cancel_stored = True
                if time.monotonic() - renewed >= RENEW_SECONDS:
                    wanted = renew(store, lease)
                    renewed = time.monotonic()
                else:
                    wanted = wish(store, lease)
            except UserError:
                continue  # locked for the moment; the token protects the run meanwhile
            if wanted != "ok" and not over.is_set():
                control.halt(wanted)

    thread = threading.Thread(target=beat, name=f"lease-{lease.run}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)


def _note_versions(folder: Path) -> None:
    """Write `versions.json` for the results: the versions in the process that worked on the run last."""
    names = ("torch", "transformers", "accelerate", "datasets", "safetensors", "numpy")
    versions: dict[str, Any] = {"excise": __version__, "python": sys.version.split()[0]}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"versions.json.{os.getpid()}"
    part.write_text(json.dumps(versions, indent=1), encoding="utf-8")
    part.replace(folder / "versions.json")
