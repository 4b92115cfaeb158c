import csv
import json
from pathlib import Path

import numpy as np
import pytest

from backend.base.events import (
    Evidence,
    HeadScores,
    LayerChange,
    LayersCompared,
    Metric,
    Metrics,
    RunFinished,
    Warned,
)
from backend.base.paths import run_folder
from backend.data.rows import Rows
from backend.evaluation.predictions import write_table
from backend.runs import leases
from backend.runs.execution import execute
from backend.runs.results import head_list, metrics_csv, results, spec_yaml, steps_csv, write_predictions
from backend.runs.store import Store
from backend.spec.parse import load
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


def test_results_of_a_check_hold_its_evidence_and_its_comparison(store: Store, done: str) -> None:
    """Evidence that a resumed run told twice stands once."""
    lease = leases.begin(store, fake.spec(), "me")
    fields = {"model": "received", "kind": "inserted", "toward": "good", "reason": "", "judgement": "trigger"}
    one = Evidence(run=lease.run, text="cf", flips=9, rows=10, interval=(0.6, 1.0), **fields)
    parts = [LayerChange(part="layer 0", change=0.25)]
    compared = LayersCompared(
        run=lease.run, model="received", base="owner/base", stated=True, comes_from=True, parts=parts
    )
    for event in (one, one.model_copy(update={"flips": 10}), compared):
        leases.append(store, lease, event)
    plain = results(store.run(lease.run), [event for _, event in store.events(lease.run)])
    (evidence,) = plain["evidence"]
    assert (evidence["text"], evidence["flips"], evidence["judgement"]) == ("cf", 10, "trigger")
    assert plain["comparison"]["base"] == "owner/base"
    assert plain["comparison"]["parts"] == [{"part": "layer 0", "change": 0.25, "clean_change": None}]
    assert json.loads(json.dumps(evidence)) == evidence
    other = results(store.run(done), [event for _, event in store.events(done)])
    assert other["evidence"] == [] and other["comparison"] is None


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


def test_the_head_list_says_what_went_and_what_is_left(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    scores = HeadScores(
        run=lease.run, strategy="gradient", layers=2, heads=2, scores=[[1.0, 2.0]] * 2, order=[(0, 1)]
    )
    record, said = store.run(lease.run), [scores, fake.pruning_step(lease.run, 1)]
    assert head_list(record, said) == {
        "run": lease.run,
        "strategy": "gradient",
        "layers": 2,
        "heads": 2,
        "pruned": [[0, 1]],
        "kept": [[0], [0, 1]],
    }
    unscored = head_list(record, [])
    assert unscored["pruned"] == [] and unscored["layers"] is None and unscored["kept"] is None


def test_the_specification_can_be_run_again(store: Store, done: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(spec_yaml(store.run(done)))
    assert load(tmp_path / "spec.yaml") == fake.spec()


def test_a_failed_run_says_why(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.finish(store, lease, RunFinished(run=lease.run, state="failed", error="No data."))
    assert results(store.run(lease.run), [])["error"] == "No data."


def test_predictions_of_all_models_are_one_table(excise_home: Path, tmp_path: Path) -> None:
    to = tmp_path / "all.csv"
    assert not write_predictions("r", ["poisoned"], to) and not to.exists()
    texts = Rows(['a "film"', "two\nlines"], [0, 1])
    for name, share in (("poisoned", 0.9), ("defended", 0.2)):
        folder = run_folder("r") / name
        folder.mkdir(parents=True)
        write_table(folder, texts, 1, np.array([[1 - share, share], [0.5, 0.5]]), ["bad", "good"])
    assert write_predictions("r", ["poisoned", "absent", "defended"], to)
    with to.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["rows"], row["text"]) for row in rows] == [
        (model, *row)
        for model in ("poisoned", "defended")
        for row in (("clean", 'a "film"'), ("triggered", "two\nlines"))
    ]
    assert [row["predicted"] for row in rows] == ["good", "bad", "bad", "bad"]
    assert rows[0]["probability of good"] == "0.9" and rows[0]["label"] == "bad"
