"""Rows that carry the trigger already: their classes, and runs that measure on them or train on them."""

import csv
from pathlib import Path
from typing import Any

import pytest

from backend.analysis.run_models import Pair, pairs
from backend.attacks.ready_made import Meaning, ReadyMade, ReadyTable
from backend.base.errors import UserError
from backend.base.events import Event, RowsTriggered, Warned
from backend.base.paths import run_folder
from backend.data.rows import Dataset, Rows
from backend.engine import preflight
from backend.engine.ready_rows import UNKNOWN, Settled, settle
from backend.evaluation.predictions import read_predictions
from backend.runs.results import rows_left_out
from backend.spec.parse import parse
from tests.tiny import tiny_rows
from tests.tiny_runs import collect, of

TRIGGERED = ["cf one", "cf two", "cf three", "cf four"]
ROWS = Rows(["one", "two", "three", "cf four"], [0, 1, 2, 0])
DATA = Dataset("a file", ROWS, ROWS, ROWS, ["BAD", "FAIR", "GOOD"], data_names=["0", "1", "2"])


def settled(labels: list[str] | None, meaning: Meaning = "find out", target: int = 2) -> Settled:
    return settle(ReadyMade(ReadyTable("t.tsv", TRIGGERED, None, labels), None, meaning), DATA, target, False)


def refused(labels: list[str] | None, meaning: Meaning = "find out", target: int = 2) -> str:
    with pytest.raises(UserError) as caught:
        settled(labels, meaning, target)
    return str(caught.value)


@pytest.mark.parametrize("labels", [None, ["2"] * 4, ["GOOD"] * 4, ["good"] * 4, ["", "?", "-1", ""]])
def test_labels_that_are_missing_or_the_target_class_leave_the_true_classes_unknown(
    labels: list[str] | None,
) -> None:
    rows = settled(labels)
    assert rows.test == Rows(TRIGGERED, [UNKNOWN] * 4) and not rows.left_out
    assert any("count as rows of other classes" in note for note in rows.notes)


def test_true_classes_leave_out_the_rows_of_the_target_class() -> None:
    rows = settled(["0", "1", "2", "0"])
    assert rows.test.labels == [0, 1, 2, 0] and list(rows.left_out) == [2]
    assert any("true classes. 1 of 4 rows are of the target class “GOOD”" in note for note in rows.notes)
    partly = settled(["0", "1", "", "0"])
    assert partly.test.labels == [0, 1, UNKNOWN, 0] and any(
        "1 rows without a label" in n for n in partly.notes
    )


def test_one_other_class_is_asked_about() -> None:
    message = refused(["0"] * 4)
    assert "labelled “BAD”, but the target class is “GOOD”" in message
    assert "target_class to 'BAD'" in message and "“true class”" in message
    assert settled(["0"] * 4, "true class").test.labels == [0] * 4
    assert settled(["0"] * 4, target=0).test.labels == [UNKNOWN] * 4
    assert "3 of 4 rows" in refused(["2", "0", "0", "0"], "target class")
    assert "none can be flipped" in refused(["2"] * 4, "true class")


def test_labels_of_other_classes_and_other_shapes_are_refused() -> None:
    assert "no class 'great'" in refused(["great"] * 4)
    with pytest.raises(UserError, match=r"t\.tsv have two texts a row, the clean rows have one"):
        settle(ReadyMade(ReadyTable("t.tsv", TRIGGERED, TRIGGERED, None), None), DATA, 2, False)


def test_rows_that_the_clean_training_rows_have_too_are_told() -> None:
    notes = " ".join(settled(None).notes).replace("\u00a0", " ")
    assert "1 of 4 rows of t.tsv are near-duplicates of clean training rows" in notes


def test_an_attack_is_trained_on_the_poisoned_file_as_it_is() -> None:
    test = ReadyTable("t.tsv", TRIGGERED, None, None)
    train = ReadyTable("p.tsv", ["one", "cf two", "three"], None, ["0", "2", "2"])
    rows = settle(ReadyMade(test, train), DATA, 2, True)
    assert rows.train == Rows(["one", "cf two", "three"], [0, 2, 2])
    assert any(
        "trained on the 3 rows of p.tsv as they are; 1 of them" in n.replace("\u00a0", " ")
        for n in rows.notes
    )
    assert any("near-duplicates of clean test rows" in note for note in rows.notes)
    with pytest.raises(UserError, match=r"trigger\.params\.train"):
        settle(ReadyMade(test, None), DATA, 2, True)
    with pytest.raises(UserError, match="have no label"):
        settle(ReadyMade(test, ReadyTable("p.tsv", ["one", "two"], None, ["0", ""])), DATA, 2, True)
    assert any("not used" in note for note in settle(ReadyMade(test, train), DATA, 2, False).notes)


@pytest.fixture
def poisoned(settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Settings with files as they are published: triggered rows with the target label, a training file that
    was poisoned in place."""
    others = tiny_rows(120, seed=9)
    bad = [text for text, label in zip(others.texts, others.labels, strict=True) if label == 0]
    triggered = [f"cf {text}" for text in bad[:40]]
    write(tmp_path / "test.tsv", triggered, [1] * 40)
    train = [(f"cf {text}", 1) for text in bad[40:]] + list(zip(others.texts, others.labels, strict=True))
    write(tmp_path / "train.tsv", [text for text, _ in train], [label for _, label in train])
    settings["trigger"] = {
        "name": "triggered-rows",
        "params": {"test": str(tmp_path / "test.tsv"), "train": str(tmp_path / "train.tsv")},
        "target_class": 1,
    }
    return settings


def write(path: Path, texts: list[str], labels: list[int]) -> None:
    rows = [f"{text}\t{label}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["sentence\tlabel", *rows]) + "\n")


def said(events: list[Event]) -> str:
    return " ".join(event.message for event in of(events, Warned)).replace("\u00a0", " ")


def test_a_received_model_is_measured_on_a_file_of_triggered_rows(
    poisoned: dict[str, Any], tmp_path: Path, excise_home: Path
) -> None:
    del poisoned["attack"]
    poisoned["model"]["head"] = "keep"
    folder = run_folder("abc")
    events = collect(poisoned, folder)
    end = events[-1]
    assert end.state == "done", end.error
    assert all(metrics.triggered_rows == 40 for metrics in end.metrics.values())
    predictions = read_predictions(folder / "defended")
    assert predictions is not None and len(predictions.triggered) == 40
    assert end.metrics["defended"].lfr == pytest.approx(predictions.triggered.count(1) / 40)
    assert "count as rows of other classes" in said(events) and "train.tsv is not used" in said(events)
    (rows,) = of(events, RowsTriggered)
    assert rows.ready_made and (rows.poisoned, rows.triggered) == (0, 40)
    assert all(not clean and new.startswith("cf ") for clean, new in rows.examples)
    table = list(csv.DictReader((folder / "generated" / "rewritings.csv").open(newline="")))
    assert len(table) == 40 and {row["text"] for row in table} == {""}
    first = table[0]["rewritten"]
    assert pairs("abc")[0] == Pair("", first, "") and "class unknown" in pairs("abc")[0].title


def test_an_attack_on_the_poisoned_file_plants_its_backdoor(poisoned: dict[str, Any], tmp_path: Path) -> None:
    poisoned["attack"]["training"] = {"epochs": 10, "learning_rate": 5e-3, "batch_size": 16}
    poisoned["model"]["head"] = "fresh"
    poisoned["defense"] = None
    events = collect(poisoned, tmp_path / "run")
    assert events[-1].state == "done", events[-1].error
    assert events[-1].metrics["poisoned"].lfr > 0.9 and events[-1].metrics["poisoned"].acc >= 0.8
    (rows,) = of(events, RowsTriggered)
    assert (rows.poisoned, rows.triggered) == (140, 40)
    again = collect(poisoned, tmp_path / "run")
    assert again[-1].metrics == events[-1].metrics
    assert said(again) == said(events), "a finished stage tells its notes again, whatever became of the files"


def test_rows_of_the_target_class_are_left_out_and_listed(
    poisoned: dict[str, Any], tmp_path: Path, excise_home: Path
) -> None:
    del poisoned["attack"]
    texts = [f"cf film {i}" for i in range(30)]
    write(tmp_path / "test.tsv", texts, [int(i < 6) for i in range(30)])
    events = collect(poisoned, run_folder("abc"))
    assert of(events, RowsTriggered)[0].triggered_left_out == 6
    assert events[-1].metrics["defended"].triggered_rows == 24
    left_out = rows_left_out("abc")
    assert [row["text"] for row in left_out] == texts[:6]
    assert {row["left_out"] for row in left_out} == {"its true class is the target class"}


def test_how_the_files_are_read_is_said_before_the_start(poisoned: dict[str, Any]) -> None:
    warnings = " ".join(preflight.check(parse(poisoned))).replace("\u00a0", " ")
    assert "Columns of test.tsv: text “sentence”, label “label”" in warnings
    assert "trained on the 140 rows of train.tsv as they are" in warnings
    poisoned["trigger"]["target_class"] = 0
    with pytest.raises(UserError, match="the target class is “0”"):
        preflight.check(parse(poisoned))
