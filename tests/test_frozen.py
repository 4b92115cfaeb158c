"""What an earlier version left and said is read, gone on with and found again by this one.

The files in tests/frozen/ were made once, by tests/frozen/make.py with the program at commit ca01983, and do
not change.  What may change is how the program is reached (tests/frozen/doors.py) and the shape in which it
says the same: so what is compared is not text but what it means.  Words for people (titles, messages, help)
are never compared; names, numbers, heads, states, parameters with their bounds and defaults always are."""

import gzip
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        near = {"rel": 1e-9, "abs": 1e-12} if here else {"abs": 0.25}
        assert new == pytest.approx(old, **near), name
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


def test_what_was_not_over_ends_as_the_run_that_was(home: Path) -> None:
    """The interrupted, the cancelled and the queued run ask what `done` asked.  Stages that are there are
    taken up, or a message says why one is done again.  What failed by its settings fails again."""
    tuned = home / "runs" / RUNS["interrupted"] / "fine_tuned" / "model.safetensors"
    before = tuned.stat().st_ino
    doors.store().resume(RUNS["cancelled"])
    doors.store().resume(RUNS["failed"])
    doors.work_off()
    old = frozen(f"shown/{RUNS['done']}.json", home)
    for name in ("interrupted", "cancelled", "queued"):
        new = listed("show", RUNS[name])
        assert (new["state"], new["error"]) == ("done", None)
        for fact in ("metrics", "steps", "pruned_heads"):
            assert_alike(old[fact], new[fact])
    said = frozen(f"shown/{RUNS['interrupted']}.json", home)["warnings"]
    assert tuned.stat().st_ino == before or listed("show", RUNS["interrupted"])["warnings"] != said
    old, new = frozen(f"shown/{RUNS['failed']}.json", home), listed("show", RUNS["failed"])
    assert new["state"] == "failed" and new["error"]
    assert_alike(old["metrics"], new["metrics"])


def test_a_frozen_run_is_deleted_with_its_folder(home: Path) -> None:
    assert excise("delete", RUNS["study: Rare words, FT"])[0] == 0
    assert not (home / "runs" / RUNS["study: Rare words, FT"]).exists()
    assert len(listed("runs")) == len(RUNS) - 1
    shutil.rmtree(home / "stages", ignore_errors=True)
    assert listed("show", RUNS["study: Rare words, gradient"])["state"] == "done"


def jsonl(name: str) -> list[dict[str, Any]]:
    """The rows of a frozen JSONL file, packed or not."""
    path = FROZEN / name
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line) for line in text.splitlines()]


SPECS = jsonl("specs.jsonl.gz")
"""Specifications as they were dumped: where they stand (`of`, `place`), `spec`, and what it `means`."""


def specs_of(kind: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row["place"]): row for row in SPECS if row["of"] == kind}


def test_a_frozen_specification_means_what_it_meant() -> None:
    """Its old form is read; dumped and read again it is the same."""
    for row in SPECS:
        now = parse(row["spec"])
        assert meaning(now) == row["means"], row["place"]
        assert parse(doors.dump(now)) == now, row["place"]
    assert len(specs_of("replication")) == 385


def test_the_replication_asks_what_it_asked() -> None:
    now = {tuple(place): meaning(parse(spec)) for place, spec in doors.cells_of_the_replication()}
    assert now == {place: row["means"] for place, row in specs_of("replication").items()}


def test_built_in_studies_ask_what_they_asked_and_are_found_again() -> None:
    now = {tuple(place): meaning(spec) for place, spec in doors.cells_built_in()}
    assert_within({place: row["means"] for place, row in specs_of("studies").items()}, now)
    assert_within(frozen("study_ids.json"), doors.study_ids())


def test_presets_ask_what_they_asked() -> None:
    now = {(name,): meaning(spec) for name, spec in doors.preset_specs().items()}
    assert_within({place: row["means"] for place, row in specs_of("presets").items()}, now)


YAMLS = {path.stem: path for path in sorted((FROZEN / "yaml").iterdir())}


@pytest.mark.parametrize("name", YAMLS)
def test_a_yaml_that_was_written_for_it_means_what_it_meant(name: str) -> None:
    means = json.loads(json.dumps(jsonl("yaml.json.gz")[0][name]).replace(doors.HERE, str(Path.cwd())))
    if name.startswith("study-"):
        cells = doors.cells_of_study(yaml.safe_load(YAMLS[name].read_text()))
        assert [[*cell.place, meaning(cell.spec)] for cell in cells] == means
    else:
        assert meaning(doors.load(YAMLS[name])) == means


@pytest.mark.parametrize("row", jsonl("sets.jsonl"), ids=lambda row: f"{row['base']} {' '.join(row['set'])}")
def test_a_setting_is_set_by_the_path_that_it_had(row: dict[str, Any]) -> None:
    """`means` holds the parts of the meaning that it changes."""
    start = doors.load(YAMLS[row["base"]])
    assert meaning(doors.changed(start, *row["set"])) == meaning(start) | row["means"]


def test_the_command_line_takes_the_old_paths_and_yamls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the way: a run of a YAML in its old form with old paths."""
    monkeypatch.chdir(home)
    old = frozen(f"shown/{RUNS['done']}.json", home)
    (home / "old.yaml").write_text(doors.yaml_of(old["spec"]))
    changes = ("name=By its old paths", "defense.strategy.name=random", "defense.refine=null")
    status, _, err = excise("run", "old.yaml", *(part for one in changes for part in ("--set", one)))
    assert status == 0, err
    new = listed("show", listed("runs")[0]["id"])
    assert (new["name"], new["state"]) == ("By its old paths", "done")
    assert_alike({"poisoned": old["metrics"]["poisoned"]}, new["metrics"])


LISTINGS = ("strategies", "defenses", "triggers", "models", "data", "studies")
OF_PARAMETERS = ("default", "type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_keeps_its_names_variants_and_parameters(name: str) -> None:
    """Names and what they take, bounds and defaults too; more may be listed, and in another order."""
    now = {entry["name"]: entry for entry in listed(name)}
    for old in frozen(f"listings/{name}.json"):
        new = now[old["name"]]
        for fact in ("variants", "runs", "quick_runs", "source", "sha256", "label_names", "columns"):
            if fact in old:
                assert new[fact] == old[fact], (old["name"], fact)
        for parameter, schema in old.get("parameters", {}).get("properties", {}).items():
            kept = {key: value for key, value in schema.items() if key in OF_PARAMETERS}
            if parameter == "head":  # a third value came later, and is the default
                assert set(kept.pop("enum")) < set(new["parameters"]["properties"]["head"]["enum"])
                assert kept.pop("default") == "fresh"
            assert_within(kept, new["parameters"]["properties"][parameter], f"{old['name']}.{parameter}")


@pytest.mark.parametrize("row", jsonl("rewritings.jsonl"), ids=lambda row: " ".join(row["asked"]))
def test_a_trigger_rewrites_as_it_did(row: dict[str, Any]) -> None:
    assert doors.rewritten(FROZEN / "texts.txt", row["asked"]) == row["made"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frozen state folder for all the runs below, which share what they have in common."""
    return doors.settle(tmp_path_factory.mktemp("bench") / "home")


CORRECTED = {"strategy ensemble published", "strategy reinforcement published"}
"""They pruned a layer's last head, which the authors' scripts keep."""
NUMBERS = [row for row in jsonl("numbers.jsonl.gz") if row["name"] not in CORRECTED]


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row["name"])
def test_the_same_seed_finds_the_same(
    row: dict[str, Any], bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers, scores, steps and heads of the tiny victim, for each defense and variant of a strategy."""
    if "onion" in row["name"] and not os.environ.get("EXCISE_FROZEN_SLOW"):
        pytest.skip("a language model reads every text: a minute; EXCISE_FROZEN_SLOW=1 runs it")
    monkeypatch.setenv("EXCISE_HOME", str(bench))
    monkeypatch.chdir(bench)
    spec = parse(row["spec"])
    old = row["found"] if doors.prunes(spec) else without_search(row["found"])
    assert_alike(old, doors.found(spec, re.sub(r"\W+", "-", row["name"])))


def without_search(old: dict[str, Any]) -> dict[str, Any]:
    """A run whose defense prunes nothing once scored all heads, took a step with none of them and measured
    the fine-tuned model a second time.  It does none of this any more: what is left is the same."""
    metrics, weights = dict(old["metrics"]), dict(old["weights"])
    if old["steps"]:
        (step,) = old["steps"]
        assert metrics.pop("pruned") == metrics["fine_tuned"]
        assert weights.pop("pruned") == weights["fine_tuned"]
        assert (step["step"], step["pruned"], step["restored"], old["pruned_heads"]) == (0, [], [], [])
    left = {"metrics": metrics, "weights": [list(pair) for pair in weights.items()]}
    return old | left | {"scores": [], "order": [], "steps": []}


def test_the_smoke_run_finds_the_same(excise_home: Path) -> None:
    assert_alike(frozen("smoke.json"), doors.found(doors.preset_specs()["smoke"], "smoke"))
