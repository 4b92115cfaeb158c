import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from backend.base.errors import Cancelled, UserError
from backend.base.events import Event, Progress, RunFinished, RunStarted
from backend.base.paths import home, run_folder
from backend.runs import execution, leases
from backend.runs.execution import Control, engine_hangs, execute
from backend.runs.foreground import carry_out
from backend.runs.store import Store, open_store
from backend.spec.run import RunSpec
from tests.runs import fake
from tests.runs.waiting import until


def test_a_run_is_carried_out_and_everything_stored(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    said = list(execute(store, lease, fake.engine))
    kept = [event for _, event in store.events(lease.run)]
    assert kept == [event for event in said if event.type != "progress"]
    assert isinstance(kept[0], RunStarted) and not kept[0].resumed
    record = store.run(lease.run)
    assert record.state == "done" and record.summary == kept[-1] and record.seconds == 1.5
    assert record.stage == "evaluate"
    assert (run_folder(lease.run) / "versions.json").is_file()


def test_progress_is_thinned_out(store: Store) -> None:
    def hasty(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        for batch in range(1000):
            yield Progress(run=run, stage="poison", done=batch + 1, total=1000)
        yield RunFinished(run=run, state="done")

    lease = leases.begin(store, fake.spec(), "me")
    said = [event for event in execute(store, lease, hasty) if isinstance(event, Progress)]
    assert [event.done for event in said] == [1, 1000]


def test_a_cancel_request_takes_effect_within_a_second_and_a_batch(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    events = execute(store, lease, fake.slow_engine)
    next(events)
    store.cancel(lease.run)
    began = time.monotonic()
    last = list(events)[-1]
    assert isinstance(last, RunFinished) and last.state == "cancelled"
    assert time.monotonic() - began < 2
    assert store.run(lease.run).state == "cancelled"


def test_halting_by_hand_cancels_and_asks_the_store_too(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    control, deaf = Control(), threading.Event()

    def slow_to_hear(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        yield RunStarted(run=run, spec={}, device="none")
        stop.wait()
        deaf.wait(10)
        yield RunFinished(run=run, state="cancelled")

    events = execute(store, lease, slow_to_hear, control)
    next(events)
    control.halt("cancel")
    until(lambda: store.run(lease.run).cancel_requested)
    deaf.set()
    assert [event.type for event in events] == ["run_finished"]
    assert store.run(lease.run).state == "cancelled"


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What engines that hear nothing wait for; set in the end, for their threads not to be left over."""
    over = threading.Event()
    yield over
    over.set()
    until(lambda: not engine_hangs())


def deaf_engine(
    spec: RunSpec, folder: Path, *, run: str, stop: threading.Event, hang: threading.Event
) -> Iterator[Event]:
    yield fake.pruning_step(run, 1)
    hang.wait()
    yield RunFinished(run=run, state="done")


def test_an_engine_that_does_not_hear_a_cancel_is_left_behind(store: Store, hang: threading.Event) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    events = execute(store, lease, partial(deaf_engine, hang=hang), Control(grace_seconds=0.3))
    next(events)
    assert not engine_hangs()
    store.cancel(lease.run)
    [last] = events
    assert isinstance(last, RunFinished) and last.state == "cancelled" and last.pruned_heads == [(0, 1)]
    assert "ended by force" in (last.error or "")
    assert store.run(lease.run).summary == last and engine_hangs()


def test_an_engine_that_speaks_on_after_a_cancel_is_left_behind_too(store: Store) -> None:
    def chatty(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        while True:
            time.sleep(0.02)
            yield Progress(run=run, stage="poison", done=1, total=2)

    lease = leases.begin(store, fake.spec(), "me")
    events = execute(store, lease, chatty, Control(grace_seconds=0.3))
    next(events)
    store.cancel(lease.run)
    last = list(events)[-1]
    assert isinstance(last, RunFinished) and last.state == "cancelled" and not engine_hangs()


def test_who_must_go_gives_the_run_of_a_deaf_engine_back(store: Store, hang: threading.Event) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    control = Control(grace_seconds=0.3)
    events = execute(store, lease, partial(deaf_engine, hang=hang), control)
    next(events)
    control.halt("leave")
    assert list(events) == [] and engine_hangs()
    assert store.run(lease.run).state == "queued"


def test_who_interrupts_a_deaf_engine_is_kept_no_longer_than_that(
    store: Store, hang: threading.Event
) -> None:
    """Ctrl-C twice: the second comes while the engine is waited for."""
    lease = leases.begin(store, fake.spec(), "me")
    events = carry_out(store, lease, lambda _: None, partial(deaf_engine, hang=hang), grace_seconds=0.6)
    next(events)
    for after in (0.1, 0.2):
        threading.Timer(after, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert store.run(lease.run).state == "cancelled" and engine_hangs()


def test_leaving_gives_the_run_back_and_it_goes_on(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    control = Control()
    types = []
    for event in execute(store, lease, partial(fake.engine, batch_seconds=0.01), control):
        types.append(event.type)
        if event.type == "stage_finished":
            control.halt("leave")
    assert "run_finished" not in types
    assert store.run(lease.run).state == "queued"
    again = leases.claim(store, "other")
    assert again is not None
    said = list(execute(store, again, fake.engine))
    assert isinstance(said[0], RunStarted) and said[0].resumed
    assert [event.reused for event in said if event.type == "stage_finished"] == [True, False, False, False]
    assert isinstance(said[-1], RunFinished) and said[-1].seconds == 1.51  # and the stage before
    assert store.run(lease.run).state == "done"


def test_a_run_that_goes_back_to_the_queue_is_not_taken_for_lost() -> None:
    """Once it is given back the lease is gone: the heartbeat may see that before the process has left."""
    control = Control()
    control.halt("leave")
    control.halt("lost")
    assert control.why == "leave"
    cancelled = Control()
    cancelled.halt("cancel")
    cancelled.halt("lost")
    assert cancelled.why == "lost"


def test_closing_the_generator_gives_the_run_back(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    stopped = threading.Event()

    def noticing(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        try:
            yield from fake.slow_engine(spec, folder, run=run, stop=stop)
        finally:
            stopped.set()

    events = execute(store, lease, noticing)
    next(events)
    events.close()
    assert stopped.is_set() and store.run(lease.run).state == "queued"


def test_who_cancels_and_cannot_wait_has_cancelled(store: Store) -> None:
    """Ctrl-C twice, before the heartbeat has told the store of the first."""
    lease = leases.begin(store, fake.spec(), "me")
    control = Control()
    events = execute(store, lease, fake.slow_engine, control)
    next(events)
    control.halt("cancel")
    events.close()
    assert store.run(lease.run).state == "cancelled"


def test_who_lost_the_run_stops_and_writes_nothing_more(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "sleeper", seconds=0.4)
    events = execute(store, lease, fake.slow_engine)
    next(events)
    time.sleep(0.1)
    expired = leases.Lease(lease.run, lease.token, lease.spec, seconds=-1)
    leases.renew(store, expired)
    taken = leases.claim(store, "other")
    assert taken is not None
    seen = len(store.events(lease.run))
    assert all(not isinstance(event, RunFinished) for event in events)
    assert len(store.events(lease.run)) == seen
    assert store.run(lease.run).worker == "other"


def test_an_unforeseen_error_ends_the_run_with_a_sentence_and_what_it_found(store: Store) -> None:
    def broken(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        yield fake.pruning_step(run, 1)
        raise ZeroDivisionError("division by zero")

    lease = leases.begin(store, fake.spec(), "me")
    last = list(execute(store, lease, broken))[-1]
    assert isinstance(last, RunFinished) and last.state == "failed" and last.pruned_heads == [(0, 1)]
    log = run_folder(lease.run) / "error.log"
    assert last.error == (
        f"The engine failed unexpectedly (ZeroDivisionError: division by zero). The details are in {log}."
    )
    assert "Traceback" in log.read_text()
    assert store.run(lease.run).summary == last


def test_errors_of_the_user_keep_their_words(store: Store) -> None:
    def refusing(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        raise UserError("The data is empty. Bring some.")
        yield

    lease = leases.begin(store, fake.spec(), "me")
    [last] = execute(store, lease, refusing)
    assert isinstance(last, RunFinished) and last.error == "The data is empty. Bring some."


def test_an_engine_that_says_cancelled_or_nothing_ends_too(store: Store) -> None:
    def cancelled(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        raise Cancelled
        yield

    def silent(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
        yield from ()

    for engine, state in ((cancelled, "cancelled"), (silent, "failed")):
        [last] = execute(store, leases.begin(store, fake.spec(), "me"), engine)
        assert isinstance(last, RunFinished) and last.state == state


@pytest.mark.usefixtures("on_sqlite")
def test_a_store_that_is_locked_for_a_while_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCISE_STORE_TIMEOUT", "0.1")
    impatient = open_store()
    holder = sqlite3.connect(home() / "excise.sqlite", isolation_level=None, check_same_thread=False)
    lease = leases.begin(impatient, fake.spec(), "me")
    events = execute(impatient, lease, fake.engine)
    next(events)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(1.0, lambda: holder.execute("ROLLBACK")).start()
    assert [event.type for event in events][-1] == "run_finished"
    holder.close()


def test_a_store_that_stays_locked_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", 0.1)
    lease = leases.begin(store, fake.spec(), "me")
    monkeypatch.setattr(execution, "append", _locked)
    with pytest.raises(UserError, match="locked"):
        list(execute(store, lease, fake.engine))
    assert store.run(lease.run).state == "running"  # until the lease expires


def _locked(*_: object) -> None:
    raise UserError("The store is locked.")
