"""What an earlier version left and said is read, gone on with and found again by this one.

The files in tests/frozen/ were made once, by tests/frozen/make.py with the program at commit ca01983, and do
not change.  What may change is how the program is reached (tests/frozen/doors.py) and the shape in which it
says the same: so what is compared is not text but what it means.  Words for people (titles, messages, help)
are never compared; names, numbers, heads, states, parameters with their bounds and defaults always are."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.frozen import doors
from tests.frozen.doors import FROZEN, HOME, excise, listed, meaning, parse

RUNS: dict[str, str] = json.loads((FROZEN / "runs.json").read_text())
OVER = [name for name in RUNS if name not in ("queued", "interrupted")]
FACTS = (
    *("id", "name", "state", "created", "started", "finished", "stage", "random_weights", "error"),
    *("data", "triggered", "metrics", "pruned_heads", "steps", "scores", "versions"),
)
"""What `show --json` says of a run that must be said as it was; more may be said."""


def frozen(name: str, home: Path | None = None) -> Any:
    """A frozen JSON file, its paths those of `home`."""
    return json.loads((FROZEN / name).read_text().replace(HOME, str(home)))


def assert_within(old: Any, new: Any, where: str = "") -> None:
    """All that stands in `old` stands in `new`; there mappings may have more."""
    if isinstance(old, dict):
        assert isinstance(new, dict) and old.keys() <= new.keys(), (where, old, new)
        for key in old:
            assert_within(old[key], new[key], f"{where}.{key}")
    elif isinstance(old, list):
        assert isinstance(new, list) and len(old) == len(new), (where, old, new)
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            assert_within(one, other, f"{where}[{number}]")
    else:
        assert old == new, where


def assert_alike(old: Any, new: Any, name: str = "") -> None:
    """Computed anew: the same numbers on the kind of machine and libraries that the frozen ones were made on
    (tests/frozen/machine.txt), to the last digits.  Elsewhere sums are rounded otherwise, and a tiny model's
    row or head may tip: there names and counts are compared, and shares to within a quarter."""
    here = doors.machine() == (FROZEN / "machine.txt").read_text().strip()
    if isinstance(old, dict):
        assert old.keys() <= new.keys(), name
        for key in old.keys() - {"time", "seconds"}:
            assert_alike(old[key], new[key], f"{name}.{key}")
    elif isinstance(old, list):
        if here:
            assert len(old) == len(new), name
            for number, (one, other) in enumerate(zip(old, new, strict=True)):
                assert_alike(one, other, f"{name}[{number}]")
    elif isinstance(old, float):
        assert new == (pytest.approx(old, rel=1e-6, abs=1e-9) if here else pytest.approx(old, abs=0.25)), name
    else:
        assert old == new, name


@pytest.fixture
def home(excise_home: Path) -> Path:
    """The frozen state folder, which the test may change."""
    return doors.settle(excise_home)


def test_every_frozen_run_is_listed_in_its_state(home: Path) -> None:
    states = {run["id"]: run["state"] for run in listed("runs")}
    assert states == {run: frozen(f"shown/{run}.json")["state"] for run in RUNS.values()}
    status, out, err = excise("runs")
    assert status == 0 and all(run in out for run in RUNS.values()), err


@pytest.mark.parametrize("name", RUNS)
def test_every_frozen_run_shows_what_it_found(home: Path, name: str) -> None:
    old, new = frozen(f"shown/{RUNS[name]}.json", home), listed("show", RUNS[name])
    assert_within({fact: old[fact] for fact in FACTS}, new)
    assert meaning(parse(new["spec"])) == meaning(parse(old["spec"]))
    status, out, err = excise("show", RUNS[name])
    assert status == 0 and RUNS[name] in out, err


@pytest.mark.parametrize("name", OVER)
def test_every_frozen_run_that_is_over_can_be_taken_home(home: Path, tmp_path: Path, name: str) -> None:
    """Its report, its numbers, its specification and, where it has one, its model."""
    folder = tmp_path / "taken home"
    status, _, err = excise("export", RUNS[name], folder)
    assert status == 0, err
    old = frozen(f"shown/{RUNS[name]}.json", home)
    report = (folder / "report.html").read_text()
    assert old["name"] in report and RUNS[name] in report
    assert meaning(doors.load(folder / "spec.yaml")) == meaning(parse(old["spec"]))
    assert json.loads((folder / "heads.json").read_text())["pruned"] == old["pruned_heads"]
    assert_within(old["metrics"], json.loads((folder / "results.json").read_text())["metrics"])
    assert len((folder / "steps.csv").read_text().splitlines()) == 1 + len(old["steps"])
    weights = sorted((home / "runs" / RUNS[name] / "defended").glob("*.safetensors"))
    assert bool(weights) == ("defended" in old["metrics"])
    for file in weights:
        taken = next(folder.rglob(file.name))
        assert taken.read_bytes() == file.read_bytes()


def test_a_frozen_run_can_be_taken_home_compact(home: Path, tmp_path: Path) -> None:
    status, _, err = excise("export", RUNS["done"], tmp_path / "compact", "--model", "compact")
    assert status == 0, err
    (small,) = (tmp_path / "compact").rglob("*.safetensors")
    whole = home / "runs" / RUNS["done"] / "defended" / "model.safetensors"
    assert small.stat().st_size < whole.stat().st_size


def test_frozen_measurements_are_read_and_not_made_again(home: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in home.rglob("inspection/*.json")}
    old, new = frozen("battery.json"), listed("battery", RUNS["done"])
    assert_within({"probes": old["probes"], "rows": old["rows"]}, new)
    assert files == {path: path.stat().st_mtime_ns for path in home.rglob("inspection/*.json")}


def test_the_frozen_study_opens(home: Path, tmp_path: Path) -> None:
    (started,) = listed("studies", "--started")
    old, new = frozen("study.json", home), listed("study", started["id"], "--show")
    assert started["id"] == old["study"]
    assert_within({name: old[name] for name in ("study", "name", "states", "cells")}, new)
    for ending in ("csv", "md", "tex", "json"):
        file = tmp_path / f"table.{ending}"
        status, _, err = excise("study", started["id"], "--show", "--export", file)
        assert status == 0 and "gradient" in file.read_text(), err


def test_what_was_interrupted_cancelled_or_queued_ends_as_the_run_that_was_not(home: Path) -> None:
    """All four ask the same.  Stages that are there are taken up, or a message says why one is done again.
    What failed for its settings fails again, with the numbers that it had."""
    tuned = home / "runs" / RUNS["interrupted"] / "fine_tuned" / "model.safetensors"
    before = tuned.stat().st_ino
    doors.store().resume(RUNS["cancelled"])
    doors.store().resume(RUNS["failed"])
    doors.work_off()
    old = frozen(f"shown/{RUNS['done']}.json", home)
    for name in ("interrupted", "cancelled", "queued"):
        new = listed("show", RUNS[name])
        assert (new["state"], new["error"]) == ("done", None)
        assert_alike(old["metrics"], new["metrics"])
        assert_alike(old["steps"], new["steps"])
        assert_alike(old["pruned_heads"], new["pruned_heads"])
    messages = frozen(f"shown/{RUNS['interrupted']}.json", home)["warnings"]
    assert tuned.stat().st_ino == before or len(listed("show", RUNS["interrupted"])["warnings"]) > len(
        messages
    )


def test_a_failed_frozen_run_fails_as_it_did(home: Path) -> None:
    doors.store().resume(RUNS["failed"])
    doors.work_off()
    old, new = frozen(f"shown/{RUNS['failed']}.json", home), listed("show", RUNS["failed"])
    assert new["state"] == "failed" and new["error"]
    assert_alike(old["metrics"], new["metrics"])


def test_a_frozen_run_is_deleted_with_its_folder(home: Path) -> None:
    assert excise("delete", RUNS["study: Rare words, FT"])[0] == 0
    assert not (home / "runs" / RUNS["study: Rare words, FT"]).exists()
    assert len(listed("runs")) == len(RUNS) - 1
    shutil.rmtree(home / "stages", ignore_errors=True)
    assert listed("show", RUNS["study: Rare words, gradient"])["state"] == "done"
