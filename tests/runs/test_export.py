import csv
import json
import zipfile
from pathlib import Path

import pytest
import yaml

from backend.errors import UserError
from backend.events import HeadScores, Metric, Metrics, RunFinished, Warned
from backend.home import run_folder
from backend.runs import leases
from backend.runs.execution import execute
from backend.runs.export import export, metrics_csv, model_zip, results, steps_csv
from backend.runs.store import Store
from backend.spec import load
from tests.runs import fake


@pytest.fixture
def done(store: Store) -> str:
    lease = leases.begin(store, fake.spec(), "me")
    list(execute(store, lease, fake.engine))
    return lease.run


def test_results_hold_all_that_the_run_found(store: Store, done: str) -> None:
    plain = results(store.run(done), [event for _, event in store.events(done)])
    assert plain == json.loads(json.dumps(plain)) | {"pruned_heads": [(0, 1), (0, 2)]}
    assert (plain["id"], plain["state"], plain["error"]) == (done, "done", None)
    assert set(plain["metrics"]) == {"fine_tuned", "defended"}
    assert [step["step"] for step in plain["steps"]] == [0, 1, 2]
    assert plain["spec"]["seed"] == 11 and "python" in plain["versions"]


def test_results_of_a_run_under_way_hold_what_it_found_so_far(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    for event in (
        HeadScores(
            run=lease.run, strategy="gradient", layers=1, heads=2, scores=[[1.0, None]], order=[(0, 0)]
        ),
        Warned(run=lease.run, message="Mind."),
        fake.pruning_step(lease.run, 1),
        Metric(run=lease.run, model="pruned", metrics=fake.METRICS),
    ):
        leases.append(store, lease, event)
    plain = results(store.run(lease.run), [event for _, event in store.events(lease.run)])
    assert plain["state"] == "running" and plain["pruned_heads"] == [(0, 1)]
    assert plain["scores"]["scores"] == [[1.0, None]] and plain["warnings"] == ["Mind."]
    assert plain["metrics"]["pruned"]["acc"] == 0.9


def test_a_curve_that_was_begun_again_is_told_once(store: Store) -> None:
    said = [fake.pruning_step("x", step) for step in (0, 1, 2, 0, 1)]
    rows = list(csv.DictReader(steps_csv(said).splitlines()))
    assert [(row["step"], row["pruned"]) for row in rows] == [("0", ""), ("1", "0.1")]


def test_a_rate_that_was_not_measured_is_empty_not_zero(store: Store, done: str) -> None:
    known = Metrics(
        acc=0.9, acc_interval=(0.8, 1.0), test_rows=50, lfr=0.25, lfr_interval=(0.1, 0.4), triggered_rows=20
    )
    said = [Metric(run=done, model="poisoned", metrics=known)]
    rows = list(csv.DictReader(metrics_csv(store.run(done), said).splitlines()))
    assert [row["model"] for row in rows] == ["poisoned", "fine_tuned", "defended"]
    assert (rows[0]["lfr"], rows[0]["lfr_low"], rows[0]["acc_high"]) == ("0.25", "0.1", "1.0")
    assert (rows[1]["lfr"], rows[1]["lfr_high"], rows[1]["clean_flip_rate"]) == ("", "", "")


def test_an_export_is_whole_and_can_be_run_again(store: Store, done: str, tmp_path: Path) -> None:
    folder = export(store, done[:6], tmp_path / "deep" / "out")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        *("results.json", "steps.csv", "metrics.csv", "spec.yaml"),
        *("model/config.json", "model/model.safetensors"),
    }
    assert load(folder / "spec.yaml") == fake.spec()
    assert json.loads((folder / "results.json").read_text())["id"] == done
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_an_export_overwrites_nothing(store: Store, done: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(store, done, tmp_path / "out")  # an empty folder will do
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        export(store, done, tmp_path / "out")
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        export(store, done, tmp_path / "out" / "spec.yaml")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_where_none_may_be_written_is_told(store: Store, done: str) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        export(store, done, Path("/proc/out"))


def test_a_run_without_a_model_exports_its_numbers(store: Store, tmp_path: Path) -> None:
    run = store.submit(fake.spec()).id
    folder = export(store, run, tmp_path / "out")
    assert not (folder / "model").exists()
    assert yaml.safe_load((folder / "spec.yaml").read_text())["name"] == "A run"


def test_the_zip_holds_a_model_folder_and_is_built_once(store: Store, done: str) -> None:
    path = model_zip(done)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["config.json", "model.safetensors"]
        assert archive.testzip() is None
    built = path.stat().st_mtime_ns
    assert model_zip(done) == path and path.stat().st_mtime_ns == built
    assert [file.name for file in run_folder(done).glob("*.zip")] == ["defended.zip"]


def test_no_model_no_zip(store: Store) -> None:
    run = store.submit(fake.spec()).id
    with pytest.raises(UserError, match="has no defended model"):
        model_zip(run)


def test_a_failed_run_says_why(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.finish(store, lease, RunFinished(run=lease.run, state="failed", error="No data."))
    assert results(store.run(lease.run), [])["error"] == "No data."
