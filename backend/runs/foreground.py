"""Carries out a run in the process that submits it, at a terminal: Ctrl-C cancels it."""

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
    spec_or_lease: RunSpec | Lease,
    say: Callable[[str], None],
    engine: Engine | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> Iterator[Event]:
    """Submit a run, or take the one that is leased, and carry it out here, yielding its events; the last is
    a RunFinished.

    The run is in the store, and a worker resumes it if this process is killed.  On SIGTERM it goes
    back to the queue, and no RunFinished comes.  If another worker took it over because this
    process slept too long, the events of that worker are passed on.  An engine that does not stop
    within `grace_seconds` is abandoned, see `execute`.  `say` gets messages for the user.
    To be iterated in the main thread."""
    lease = spec_or_lease if isinstance(spec_or_lease, Lease) else begin(store, spec_or_lease, worker_name())
    control = Control(grace_seconds)
    last: Event | None = None
    with _listening(control, say):
        for event in execute(store, lease, engine, control):
            last = event
            yield event
    if isinstance(last, RunFinished):
        return
    if control.why == "leave":
        say(f"Run {lease.run} went back to the queue. `python -m backend worker` resumes it.")
        return
    store.run(lease.run)  # it may have been deleted
    say(f"Another worker took over run {lease.run}; showing its events.")
    yield from _follow(store, lease.run, last.time if last else 0.0, say)


def _follow(store: Store, run: str, since: float, say: Callable[[str], None]) -> Iterator[Event]:
    """The events after the time `since` of a run that another process carries out.

    Raises UserError when the run is deleted."""
    control, after, cancel_sent = Control(), 0, False
    with _listening(control, say):
        while control.why != "leave":
            over = store.run(run).over
            for seq, event in store.events(run, after):
                after = seq
                if event.time <= since:  # also those of earlier attempts
                    continue
                yield event
                if isinstance(event, RunFinished):
                    return
            if over:
                return
            if control.why == "cancel" and not cancel_sent:
                store.cancel(run)
                cancel_sent = True
            time.sleep(POLL_SECONDS)


@contextmanager
def _listening(control: Control, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C cancels, a second one interrupts at once; SIGTERM puts the run back into the queue."""

    def interrupt(*_: object) -> None:
        if control.stop.is_set():
            raise KeyboardInterrupt
        control.halt("cancel")
        say("Cancelling: the run stops after its current batch, within ten seconds.")

    def leave(*_: object) -> None:
        control.halt("leave")

    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
