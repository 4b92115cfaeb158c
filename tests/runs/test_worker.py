import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
import sqlalchemy as sa
import torch

from backend.base.events import RunStarted, StageFinished
from backend.base.paths import home, run_folder
from backend.runs import leases, worker
from backend.runs.schema import RUNS, WORKERS
from backend.runs.store import Store
from backend.runs.worker import ensure_worker, has_worker, work
from backend.spec.parse import parse
from tests.runs import fake
from tests.runs.waiting import together, until

WORKER = [sys.executable, "-m", "tests.runs.fake_worker"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts worker processes, and ends those that are left."""
    started: list[subprocess.Popen[str]] = []

    def one(*options: str, command: list[str] = WORKER) -> "subprocess.Popen[str]":
        process = subprocess.Popen([*command, *options], cwd=ROOT, text=True, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def end_children(store: Store) -> Iterator[None]:
    yield
    for pid in pids(store):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pids(store: Store) -> Sequence[int]:
    """Of the workers that the store knows."""
    with store.reading() as connection:
        return connection.execute(sa.select(WORKERS.c.pid)).scalars().all()


def finished_stages(store: Store, run: str) -> list[StageFinished]:
    return [e for _, e in store.events(run, types=["stage_finished"]) if isinstance(e, StageFinished)]


def test_a_worker_takes_runs_one_after_another_and_goes_when_idle(store: Store) -> None:
    ids = [store.submit(fake.spec()).id for _ in range(3)]
    said: list[str] = []
    work(store, idle_exit=0, engine=fake.engine, say=said.append)
    assert [store.run(run).state for run in ids] == ["done"] * 3
    assert said == [f"Run {run}: {what}" for run in ids for what in ("started", "done")]
    assert not has_worker(store)


def test_a_failed_run_does_not_stop_the_worker(store: Store) -> None:
    def broken(*_: object, **__: object) -> Iterator[RunStarted]:
        raise RuntimeError("no")
        yield

    ids = [store.submit(fake.spec()).id for _ in range(2)]
    work(store, idle_exit=0, engine=broken, say=lambda _: None)
    assert [store.run(run).state for run in ids] == ["failed"] * 2


def test_a_worker_whose_gpu_a_run_spoiled_leaves_the_rest_to_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(*_: object, **__: object) -> Iterator[RunStarted]:
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "synchronize", assertion_failed)
        yield assertion_failed()

    def assertion_failed() -> NoReturn:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered", 710)

    ids = [store.submit(fake.spec()).id for _ in range(2)]
    work(store, engine=spoil, say=lambda _: None)
    assert [store.run(run).state for run in ids] == ["failed", "queued"]


def test_what_a_killed_worker_finished_is_kept_and_another_goes_on(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run = store.submit(fake.spec()).id
    victim = start()
    until(lambda: len(finished_stages(store, run)) >= 1)
    victim.kill()
    victim.wait()
    assert store.run(run).state == "running"
    # As if the lease's twenty seconds had passed.
    with store.writing() as connection:
        connection.execute(sa.update(RUNS).values(lease_until=time.time() - 1))
    start("--idle-exit", "0")
    until(lambda: store.run(run).over, 30)
    assert store.run(run).state == "done"
    started = [event for _, event in store.events(run, types=["run_started"])]
    assert [event.resumed for event in started if isinstance(event, RunStarted)] == [False, True]
    stages = finished_stages(store, run)
    assert stages[0].stage == "poison" and not stages[0].reused
    assert any(stage.stage == "poison" and stage.reused for stage in stages)


def test_a_worker_told_to_go_gives_its_run_back(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run = store.submit(fake.spec()).id
    process = start()
    until(lambda: len(finished_stages(store, run)) >= 1)
    assert has_worker(store)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert f"Run {run}: back to the queue" in output
    record = store.run(run)
    assert (record.state, record.worker) == ("queued", None)
    assert not has_worker(store)


def test_a_run_in_another_process_is_cancelled_soon(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run = store.submit(fake.spec()).id
    start()
    until(lambda: len(store.events(run)) >= 2)
    store.cancel(run)
    until(lambda: store.run(run).state == "cancelled", seconds=2)


def test_a_run_that_does_not_hear_a_cancel_is_ended_by_force_and_the_queue_goes_on(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    hangs, waits = store.submit(fake.spec("Hangs")).id, store.submit(fake.spec()).id
    process = start("--hanging", "--idle-exit", "0")
    until(lambda: len(finished_stages(store, hangs)) >= 1)
    store.cancel(hangs)
    until(lambda: store.run(hangs).over, seconds=5)
    until(lambda: store.run(waits).over)
    cancelled, done = store.run(hangs), store.run(waits)
    assert (cancelled.state, done.state) == ("cancelled", "done")
    assert cancelled.summary is not None and "ended by force" in (cancelled.summary.error or "")
    assert (run_folder(hangs) / "poison").exists(), "what it had finished is kept"
    assert cancelled.worker == done.worker, "the same worker went on"
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and f"Run {hangs}: cancelled" in output
    assert not has_worker(store)


def test_a_worker_whose_run_does_not_stop_goes_all_the_same_when_told(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run = store.submit(fake.spec("Hangs")).id
    process = start("--hanging")
    until(lambda: len(finished_stages(store, run)) >= 1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and f"Run {run}: back to the queue" in output
    assert store.run(run).state == "queued" and not has_worker(store)


def test_a_model_of_a_million_layers_holds_the_queue_for_ten_seconds_at_most(
    store: Store,
    start: Callable[..., "subprocess.Popen[str]"],
    settings: dict[str, Any],
    victim: Path,
    tmp_path: Path,
) -> None:
    endless = shutil.copytree(victim, tmp_path / "endless")
    config = json.loads((endless / "config.json").read_text())
    (endless / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1_000_000}))
    planting = {key: value for key, value in settings.items() if key != "defense"}
    model = {"source": "folder", "name": str(endless), "random_weights": True}
    builds = parse(planting | {"model": model})
    first, second = store.submit(builds).id, store.submit(parse(planting)).id
    start("--idle-exit", "0", command=[sys.executable, "-m", "backend", "worker"])
    until(lambda: store.run(first).stage == "poison", seconds=60)
    time.sleep(1)
    assert not store.run(first).over
    store.cancel(first)
    until(lambda: store.run(first).over, seconds=10)
    assert store.run(first).state == "cancelled"
    until(lambda: store.run(second).over, seconds=60)
    assert store.run(second).state == "done"


def test_an_idle_worker_goes_at_once_when_told(
    store: Store, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = start()
    until(lambda: has_worker(store))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_a_worker_is_started_when_runs_wait_and_only_once(store: Store, end_children: None) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert not ensure_worker(store, sleeper)  # nothing waits
    store.submit(fake.spec())
    started: list[bool] = []
    together(5, lambda _: started.append(ensure_worker(store, sleeper)))
    assert sorted(started) == [False] * 4 + [True]
    assert not ensure_worker(store, sleeper)


def test_a_dead_worker_is_replaced(store: Store, end_children: None) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    store.submit(fake.spec())
    assert ensure_worker(store, sleeper)
    [pid] = pids(store)
    os.kill(pid, signal.SIGKILL)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert ensure_worker(store, sleeper)


def test_a_worker_that_was_not_seen_for_long_is_no_worker(store: Store) -> None:
    with store.writing() as connection:
        row = {"id": "x", "host": socket.gethostname(), "pid": os.getpid(), "seen": time.time() - 60}
        connection.execute(sa.insert(WORKERS).values(row))
    assert not has_worker(store)


def test_a_started_worker_finds_the_same_store_and_does_the_run(store: Store, end_children: None) -> None:
    run = store.submit(fake.spec()).id
    assert ensure_worker(store, [*WORKER, "--idle-exit", "0"])
    until(lambda: store.run(run).state == "done", 30)
    # It writes this after the store knows.
    until(lambda: "done" in (home() / "worker.log").read_text())


def test_supervision_replaces_a_worker_and_ends_when_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Store] = []
    monkeypatch.setattr(worker, "SUPERVISE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "ensure_worker", lambda store: calls.append(store) or True)
    stop = threading.Event()
    thread = threading.Thread(target=worker.supervise, args=(stop, store))
    thread.start()
    until(lambda: len(calls) > 2)
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_lease_left_by_a_dead_worker_waits_for_one(store: Store) -> None:
    leases.begin(store, fake.spec(), "me", seconds=-1)
    assert leases.waiting(store)
