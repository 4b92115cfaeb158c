"""Studies at a terminal: stopped halfway and gone on with, or left to a worker."""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.cli.main import main
from backend.runs import execution
from backend.runs.store import Store
from backend.runs.worker import work
from backend.studies import store as records
from tests.runs import fake
from tests.studies.grid import GRID, engine

Study = Callable[..., tuple[int, str, str]]
PLACES = [("rare", defense, 1) for defense in GRID["defenses"]]


@pytest.fixture
def study(tmp_path: Path, fake_engine: None, capsys: pytest.CaptureFixture[str]) -> Study:
    """Three runs; gives back exit status, stdout and stderr of the command."""
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(GRID | {"victims": {"rare": GRID["victims"]["rare"]}, "seeds": [1]}))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["study", str(file), *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, fake_engine: None) -> Callable[[signal.Signals], list[str]]:
    """Sends this process the signal in the second run; gives back the runs that were begun."""

    def stopped_by(sent: signal.Signals) -> list[str]:
        begun: list[str] = []

        def stopping(spec: Any, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Any]:
            begun.append(run)
            if len(begun) != 2:
                yield from engine(spec, folder, run=run)
                return
            assert signal.getsignal(sent) not in (signal.SIG_DFL, signal.default_int_handler), "it would kill"
            signal.raise_signal(sent)
            yield from fake.engine(spec, folder, run=run, stop=stop)

        monkeypatch.setattr(execution, "default_engine", lambda: stopping)
        return begun

    return stopped_by


@pytest.mark.parametrize(
    ("sent", "status", "state"),
    [(signal.SIGINT, 130, "cancelled"), (signal.SIGTERM, 143, "queued")],
)
def test_a_study_that_is_stopped_begins_no_other_run_and_goes_on_there(
    store: Store,
    study: Study,
    runs: Callable[[signal.Signals], list[str]],
    sent: signal.Signals,
    status: int,
    state: str,
) -> None:
    begun = runs(sent)
    ended, out, err = study("--json")
    assert ended == status and "[2 of 3]" in err and "[3 of 3]" not in err
    assert json.loads(out)["states"] == {"done": 1, state: 1, "waiting": 1}, "what is done is told"
    (record,) = records.studies(store)
    assert [record.runs[place].id for place in PLACES[:2]] == begun
    ended, out, err = study("--json")
    assert ended == 0 and "[2 of 2] rare · gradient, seed 1" in err
    assert json.loads(out)["states"] == {"done": 3}
    (after,) = records.studies(store)
    assert [after.runs[place].id for place in PLACES] == [*begun[:2], begun[3]]
    assert begun[2] == begun[1], "the run that was stopped is taken up again"


def test_a_queued_study_is_left_to_a_worker(
    store: Store, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensured: list[Store] = []
    monkeypatch.setattr("backend.cli.studies.ensure_worker", ensured.append)
    status, out, _ = study("--queue", "--json")
    assert (status, ensured) == (0, [store]) and json.loads(out)["states"] == {"queued": 3}
    study("--queue")
    assert len(store.runs()) == 3, "nothing is queued twice"
    work(store, idle_exit=0, engine=engine, say=lambda _: None)
    status, out, err = study("--json")
    assert status == 0 and json.loads(out)["states"] == {"done": 3} and "of 3]" not in err
