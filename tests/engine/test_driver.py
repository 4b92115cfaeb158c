"""Steps that a stranger's defense may have, carried out in a whole run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend import defenses
from backend.base.events import RunFinished, StageFinished, StageStarted, Warned
from backend.base.steps import VICTIM, Defense, DefenseParams, Record, Stage, Step, Steps
from backend.training.inputs import Inputs
from tests.tiny_runs import collect, of

SEEN: dict[str, dict[str, Path]] = {}
"""The folders that each step was given."""


class Params(DefenseParams):
    word: str = "cf"


def note(inputs: Inputs, folder: Path, name: str, word: str) -> Record:
    SEEN[name] = dict(inputs.folders)
    (folder / "said.txt").write_text(word)
    return {"length": len(word), "said": (word, word)}


def peek(inputs: Inputs, folder: Path, name: str) -> Record:
    return {"found": inputs.folders[name].name}


def noting(params: Params) -> Steps:
    first = yield Step(Stage("note", "Take a note"), "noted", note, ("first", params.word))
    assert first["said"] == [params.word] * 2, "as a record is read from its file"
    yield Step(
        Stage("again", "Take another"),
        "again",
        note,
        ("second", str(first["length"])),
        reads=(VICTIM, "noted"),
        warnings=("Mind the second.",),
    )
    yield Step(Stage("alone", "Take one alone"), "alone", note, ("third", "x"), reads=("again",))


def prying(params: Params) -> Steps:
    yield Step(Stage("note", "Take a note"), "noted", note, ("first", params.word))
    yield Step(Stage("peek", "Peek"), "peeked", peek, ("noted",))


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    SEEN.clear()
    yield
    SEEN.clear()


@pytest.fixture
def noted(settings: dict, monkeypatch: pytest.MonkeyPatch) -> dict:
    for function in (noting, prying):
        mine = Defense(function.__name__, "Noting", "Takes notes.", Params, function)
        monkeypatch.setitem(defenses.COMPONENTS, mine.name, mine)
    del settings["attack"]
    return settings | {"defense": {"name": "noting"}}


def test_a_step_is_given_the_folders_that_it_reads_and_no_others(noted: dict, tmp_path: Path) -> None:
    run = tmp_path / "run"
    events = collect(noted, run)
    assert events[-1].state == "done", events[-1].error
    assert {"first": {}, "second": {"noted": run / "noted"}, "third": {"again": run / "again"}} == SEEN
    started = {event.stage: event.title for event in of(events, StageStarted)}
    assert started["note"] == "Take a note" and list(started)[-3:] == ["note", "again", "alone"]
    assert "Mind the second." in [warning.message for warning in of(events, Warned)]
    assert (run / "again" / "said.txt").read_text() == "2"


def test_what_a_step_did_not_say_that_it_reads_is_not_there(noted: dict, tmp_path: Path) -> None:
    last = collect(noted | {"defense": {"name": "prying"}}, tmp_path / "run")[-1]
    assert isinstance(last, RunFinished) and last.state == "failed" and "noted" in str(last.error)
    assert not (tmp_path / "run" / "peeked").exists()
    assert not list((tmp_path / "run").glob(".*")), "no half-made folder is left"


def test_its_steps_are_resumed_and_shared_like_any_other(noted: dict, tmp_path: Path) -> None:
    def anew(run: str, **params: Any) -> list[str]:
        noted["defense"] = {"name": "noting", "params": params}
        events = collect(noted | {"share": True}, tmp_path / run)
        assert events[-1].state == "done", events[-1].error
        return [one.stage for one in of(events, StageFinished) if not one.reused and one.stage != "prepare"]

    assert anew("first") == ["generate", "receive", "note", "again", "alone"]
    assert anew("first") == anew("second") == []
    assert anew("third", word="mn") == ["note", "again", "alone"]
    (tmp_path / "third" / "again" / "said.txt").write_text("3")
    assert anew("third", word="mn") == ["again"]


def test_the_record_holds_what_was_found_and_the_hashes_of_the_files(noted: dict, tmp_path: Path) -> None:
    collect(noted, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "noted" / "excise.json").read_text())
    assert record["length"] == 2 and list(record["files"]) == ["said.txt"]
