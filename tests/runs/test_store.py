import multiprocessing
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backend.base.errors import UserError
from backend.base.events import Metric, Progress, RunFinished, StageFinished, StageStarted
from backend.base.paths import home, run_folder
from backend.runs import leases
from backend.runs.schema import EVENTS, RUNS
from backend.runs.store import Store, open_store
from backend.spec.presets import head_pruning
from backend.spec.run import ModelSpec, RunSpec
from tests.runs import fake


def test_a_submitted_run_is_read_back_whole(store: Store) -> None:
    record = store.submit(fake.spec("Mine", seed=12))
    assert store.run(record.id) == record
    assert (record.name, record.state, record.spec) == ("Mine", "queued", fake.spec("Mine", seed=12))
    assert record.seconds is None and record.summary is None and not record.over


def test_a_run_without_a_name_is_called_by_what_it_does(store: Store) -> None:
    assert store.submit(RunSpec(defense=head_pruning())).name == "Defend by gradient, seed 11"


def test_runs_come_newest_first_and_by_state(store: Store) -> None:
    ids = [store.submit(fake.spec(f"Run {number}")).id for number in range(4)]
    store.cancel(ids[1])
    assert [run.id for run in store.runs()] == ids[::-1]
    assert [run.id for run in store.runs(limit=2)] == [ids[3], ids[2]]
    assert [run.id for run in store.runs(states=["cancelled"])] == [ids[1]]


def test_a_run_is_found_by_a_prefix_of_its_id_that_only_it_has(store: Store) -> None:
    for run in ("abc1", "abd2", "f000"):
        store.insert(fake.spec(run), id=run)
    assert store.run("f").id == "f000"
    assert store.run("abc").id == "abc1"
    with pytest.raises(UserError, match="More than one run starts with 'ab': abc1, abd2"):
        store.run("ab")
    with pytest.raises(UserError, match=r"There is no run 'x'.*f000 \(f000\)"):
        store.run("x")
    with pytest.raises(UserError, match="There is no run ''"):
        store.run("")
    with pytest.raises(UserError, match="There is no run '%'"):
        store.run("%")


def test_no_runs_are_told_as_such(store: Store) -> None:
    with pytest.raises(UserError, match="There are no runs yet"):
        store.run("abc")


def test_events_are_read_from_where_the_reader_was(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    for step in range(3):
        leases.append(store, lease, fake.pruning_step(lease.run, step))
    leases.append(store, lease, Metric(run=lease.run, model="pruned", metrics=fake.METRICS))
    everything = store.events(lease.run)
    assert [seq for seq, _ in everything] == [1, 2, 3, 4]
    assert store.events(lease.run, after=2) == everything[2:]
    assert [event.type for _, event in store.events(lease.run, types=["metric"])] == ["metric"]


def test_progress_goes_with_its_stage_and_no_number_comes_twice(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.append(store, lease, StageStarted(run=lease.run, stage="poison"))
    last = leases.append(store, lease, Progress(run=lease.run, stage="poison", done=1, total=2))
    assert store.run(lease.run).stage == "poison"
    finished = leases.append(store, lease, StageFinished(run=lease.run, stage="poison", seconds=1))
    assert finished > last
    assert [event.type for _, event in store.events(lease.run)] == ["stage_started", "stage_finished"]


def test_an_event_of_another_version_is_passed_over(store: Store) -> None:
    run = store.submit(fake.spec()).id
    with store.writing() as connection:
        row = {"run": run, "seq": 1, "time": 0.0, "type": "novelty", "body": '{"type": "novelty"}'}
        connection.execute(sa.insert(EVENTS).values(row))
    assert store.events(run) == []


@pytest.mark.parametrize("stored", ['{"defense": {"strategy": {"name": "gone"}}}', '{"novel": 1}', "[]", "{"])
def test_a_specification_that_is_no_longer_valid_breaks_nothing(store: Store, stored: str) -> None:
    run = store.submit(fake.spec("Old")).id
    with store.writing() as connection:
        connection.execute(sa.update(RUNS).values(spec=stored, summary="{"))
    [record] = store.runs()
    assert record.name == "Old" and record.spec is None and record.problem
    assert leases.claim(store, "me") is None
    record = store.run(run)
    assert record.state == "failed" and record.summary is not None
    assert "cannot run it" in (record.summary.error or "")


def test_a_queued_run_is_cancelled_at_once(store: Store) -> None:
    record = store.cancel(store.submit(fake.spec()).id)
    assert record.state == "cancelled" and record.over
    [(_, last)] = store.events(record.id)
    assert isinstance(last, RunFinished) and last == record.summary
    assert leases.claim(store, "me") is None


def test_a_running_run_is_asked_to_stop(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    record = store.cancel(lease.run)
    assert record.state == "running" and record.cancel_requested
    assert leases.renew(store, lease) == "cancel"


def test_cancelling_a_run_that_is_over_changes_nothing(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.finish(store, lease, RunFinished(run=lease.run, state="done", seconds=2))
    assert store.cancel(lease.run) == store.run(lease.run)
    assert store.run(lease.run).seconds == 2


def test_delete_takes_events_and_folder_and_spares_a_running_run(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.append(store, lease, fake.pruning_step(lease.run, 0))
    run_folder(lease.run).mkdir(parents=True)
    with pytest.raises(UserError, match=r"is running\. Cancel it first"):
        store.delete(lease.run)
    leases.finish(store, lease, RunFinished(run=lease.run, state="done"))
    store.delete(lease.run)
    assert store.runs() == [] and store.events(lease.run) == [] and not run_folder(lease.run).exists()


def test_delete_spares_a_model_that_an_unfinished_run_takes(store: Store) -> None:
    victim = store.submit(fake.spec()).id
    store.cancel(victim)
    user = store.submit(RunSpec(model=ModelSpec(source="run", name=victim), defense=head_pruning())).id
    with pytest.raises(UserError, match=f"Run {user}, which has not ended, starts from the model"):
        store.delete(victim)
    store.cancel(user)
    store.delete(victim)


def test_a_thousand_runs_are_listed_quickly(store: Store) -> None:
    """In one query, and without their thirty thousand events."""
    spec = fake.spec().model_dump_json()
    with store.writing() as connection:
        rows = [
            {"id": f"{n:08x}", "name": "", "spec": spec, "state": "done", "created": n, "attempts": 0}
            for n in range(1000)
        ]
        connection.execute(sa.insert(RUNS), rows)
        body = fake.pruning_step("x", 0).model_dump_json()
        events = [
            {"run": row["id"], "seq": n, "time": 0, "type": "pruning_step", "body": body}
            for row in rows
            for n in range(30)
        ]
        connection.execute(sa.insert(EVENTS), events)
    asked: list[str] = []

    def note(*args: Any) -> None:
        asked.append(args[2])

    sa.event.listen(store.engine, "before_cursor_execute", note)
    began = time.perf_counter()
    assert len(store.runs(limit=1000)) == 1000
    assert time.perf_counter() - began < 1.5
    sa.event.remove(store.engine, "before_cursor_execute", note)
    assert len([one for one in asked if one.startswith("SELECT")]) == 1


@pytest.mark.usefixtures("on_sqlite")
def test_the_store_is_opened_once(store: Store, tmp_path: Path) -> None:
    assert open_store() is store
    assert open_store(f"sqlite:///{home() / 'excise.sqlite'}") is store
    assert open_store(f"sqlite:///{tmp_path / 'other.sqlite'}") is not store


@pytest.mark.usefixtures("on_sqlite")
def test_it_is_in_wal_mode_and_guards_its_keys(store: Store) -> None:
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def _open(url: str, opened: "multiprocessing.Queue[str]") -> None:
    try:
        open_store(url)
        opened.put("")
    except Exception as error:
        opened.put(repr(error))


def test_processes_that_open_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(3):
        opened: multiprocessing.Queue[str] = context.Queue()
        url = f"sqlite:///{tmp_path / f'{attempt}.sqlite'}"
        processes = [context.Process(target=_open, args=(url, opened)) for _ in range(6)]
        for process in processes:
            process.start()
        assert [opened.get(timeout=30) for _ in processes] == [""] * 6
        for process in processes:
            process.join()


@pytest.mark.usefixtures("on_sqlite")
def test_a_locked_store_names_the_file_and_the_remedy(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCISE_STORE_TIMEOUT", "0.3")
    impatient = open_store()
    holder = sqlite3.connect(home() / "excise.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        began = time.monotonic()
        with pytest.raises(UserError, match=r"excise\.sqlite is locked: another process .* try again"):
            impatient.submit(fake.spec())
        assert time.monotonic() - began < 5
        assert impatient.runs() == []  # who only reads is not locked out
    finally:
        holder.close()
    impatient.submit(fake.spec())


@pytest.mark.usefixtures("on_sqlite")
def test_a_store_locked_before_it_was_ever_opened_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXCISE_STORE_TIMEOUT", "0.3")
    holder = sqlite3.connect(home() / "excise.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="is locked"):
        open_store()
    holder.close()


@pytest.mark.usefixtures("on_sqlite")
def test_a_full_disk_is_told(store: Store) -> None:
    with store.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pytest.raises(UserError, match=r"is full\. Free some space"), store.writing() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        long = fake.spec().model_dump_json() + " " * 100_000
        connection.execute(
            sa.insert(RUNS).values(id="x", name="", spec=long, state="queued", created=0, attempts=0)
        )
    store.engine.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database address"),
        ("oracle9://x", "not a database address"),
        ("sqlite://", "cannot be in memory"),
        ("sqlite:////nowhere/at/all.sqlite", "cannot be written"),
    ],
)
def test_a_bad_address_is_told(url: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_store(url)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("Dear diary, this is not a database. " * 100)
    with pytest.raises(UserError, match="not a readable database"):
        open_store(f"sqlite:///{tmp_path / 'x.sqlite'}")


def test_a_bad_timeout_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCISE_STORE_TIMEOUT", "soon")
    with pytest.raises(UserError, match="'soon'"):
        open_store()


def test_pages_load_no_torch_with_it() -> None:
    modules = "backend.runs.store, backend.runs.worker, backend.runs.results, backend.cli.main"
    code = f"import sys, {modules}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_cancelled_run_can_be_resumed_and_a_queued_one_cannot(store: Store) -> None:
    record = store.submit(fake.spec("Mine"))
    with pytest.raises(UserError, match="queued"):
        store.resume(record.id)
    store.cancel(record.id)
    resumed = store.resume(record.id)
    assert resumed.state == "queued" and resumed.summary is None and not resumed.cancel_requested
    assert leases.waiting(store, record.id)
