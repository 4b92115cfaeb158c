"""A run carried out by the process that asks for it, at a terminal: Ctrl-C cancels it."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backend.base.events import Event, RunFinished
from backend.runs.execution import GRACE_SECONDS, POLL_SECONDS, Control, Engine, execute
from backend.runs.leases import Lease, begin
from backend.runs.store import Store
from backend.runs.worker import worker_name
from backend.spec.run import RunSpec


def carry_out(
    store: Store,
    asked: RunSpec | Lease,
    say: Callable[[str], None],
    engine: Engine | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> Iterator[Event]:
    """Submit a run, or take the one that is held, and carry it out here, yielding its events; the last is
    a RunFinished.

    Others see the run in the store, and take it over if this process is killed.  On SIGTERM it
    goes back to the queue, and no RunFinished comes.  If another worker took it over because this
    process slept too long, the other's events are passed on.  An engine that does not stop within
    `grace_seconds` is left behind, see `execute`.  `say` gets words for the user.
    To be iterated in the main thread."""
    lease = asked if isinstance(asked, Lease) else begin(store, asked, worker_name())
    control = Control(grace_seconds)
    last: Event | None = None
    with _listening(control, say):
        for event in execute(store, lease, engine, control):
            last = event
            yield event
    if isinstance(last, RunFinished):
        return
    if control.why == "leave":
        say(f"Run {lease.run} went back to the queue. `python -m backend worker` goes on with it.")
        return
    store.run(lease.run)  # it may have been deleted
    say(f"Another worker took run {lease.run} over; following it.")
    yield from _follow(store, lease.run, last.time if last else 0.0, say)


def _follow(store: Store, run: str, since: float, say: Callable[[str], None]) -> Iterator[Event]:
    """What the run says after the time `since`, as another process carries it out.

    Raises UserError when the run is deleted."""
    control, after, asked = Control(), 0, False
    with _listening(control, say):
        while control.why != "leave":
            over = store.run(run).over
            for seq, event in store.events(run, after):
                after = seq
                if event.time <= since:  # of an attempt before this one too
                    continue
                yield event
                if isinstance(event, RunFinished):
                    return
            if over:
                return
            if control.why == "cancel" and not asked:
                store.cancel(run)
                asked = True
            time.sleep(POLL_SECONDS)


@contextmanager
def _listening(control: Control, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C cancels, a second one interrupts at once; SIGTERM leaves."""

    def interrupt(*_: object) -> None:
        if control.stop.is_set():
            raise KeyboardInterrupt
        control.halt("cancel")
        say("Cancelling: the run ends after the batch it is in, at the latest in ten seconds.")

    def leave(*_: object) -> None:
        control.halt("leave")

    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
