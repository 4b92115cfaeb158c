"""The trigger battery on models of a real tiny run: counted, kept, taken up, made anew for other models."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.analysis import battery
from backend.analysis.battery import file_of, measure_all, measure_probe, places_of, read_battery
from backend.analysis.warm.battery import numbered_alike
from backend.analysis.warm.models import open_model
from backend.analysis.warm.rows import run_rows
from backend.attacks.triggers import bind
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.cli.main import main
from backend.data.rows import Dataset, Rows
from backend.data.tokens import encode
from backend.detection.known_triggers import as_many_of_each
from backend.evaluation.evaluator import predict
from backend.report.battery import sentences
from backend.runs.foreground import carry_out
from backend.runs.records import RunRecord
from backend.runs.store import Store, open_store
from backend.spec import parse
from tests.tiny import tiny_folder, tiny_settings

TWO = ["word-cf", "sentence"]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The battery with two triggers that need no parser."""
    monkeypatch.setattr(battery, "PROBES", {name: battery.PROBES[name] for name in TWO})


@pytest.fixture
def finished(excise_home: Path, tmp_path: Path, victim: Path) -> tuple[Store, RunRecord]:
    return carried_out(tmp_path, victim)


def carried_out(folder: Path, victim: Path, **update: object) -> tuple[Store, RunRecord]:
    store = open_store()
    *_, end = carry_out(store, parse.parse(tiny_settings(folder, victim) | update), lambda said: None)
    assert end.state == "done", end.error
    return store, store.run(end.run)


def test_flips_are_counted_among_rows_called_right(finished: tuple[Store, RunRecord]) -> None:
    store, record = finished
    places = places_of(store, record)
    assert places == {"before": (record.id, "poisoned"), "after": (record.id, "defended")}
    found = measure_probe(record.id, record.spec, places, "word-cf")
    dataset = run_rows(record.id, record.spec).clean_data.dataset
    assert found.rows == len(dataset.test), "all, where there are few"
    opened = open_model(record.id, "defended")
    triggered = dataset.test.with_texts(
        bind(battery.PROBES["word-cf"][1], record.spec.seed)(dataset.test.texts)
    )
    clean, called = (
        predict(opened.model, encode(opened.tokenizer, rows, 32)) for rows in (dataset.test, triggered)
    )
    truth = np.array(dataset.test.labels)
    for number, label in enumerate(dataset.label_names):
        others = (clean == truth) & (truth != number)
        flips = found.probes["word-cf"]["after"].get(label)
        assert (flips.rows if flips else 0) == others.sum()
        assert flips is None or flips.flips == (called[others] == number).sum()
        assert flips is None or flips.interval[0] <= flips.share <= flips.interval[1]


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (["bad", "good"], True),
        (["BAD", "Good "], True),
        (["LABEL_0", "LABEL_1"], True),
        (["good", "bad"], False),
        (["negative", "positive"], False),
        (["bad", "good", "so-so"], False),
    ],
)
def test_classes_are_compared_by_name_as_where_a_head_is_kept(names: list[str], alike: bool) -> None:
    rows = Rows(["a", "b"], [0, 1])
    assert numbered_alike(names, Dataset("few", rows, rows, rows, ["bad", "good"], [])) is alike
    stated = Dataset("few", rows, rows, rows, ["bad", "good"], classes_stated=True)
    assert numbered_alike(names, stated) is (len(names) == 2), "the user has said which is which"


def test_models_of_other_classes_are_not_counted(excise_home: Path, tmp_path: Path, victim: Path) -> None:
    """Class 1 of theirs is not class 1 of the rows."""
    named = tmp_path / "named.jsonl"
    data = tiny_settings(tmp_path, victim)["data"]
    rows = [json.loads(line) for line in Path(data["train"]).read_text().splitlines()]
    named.write_text(
        "".join(json.dumps(row | {"label": ["bad", "good"][int(row["label"])]}) + "\n" for row in rows)
    )
    store, record = carried_out(tmp_path, victim, data=data | {"train": str(named)})
    config = run_folder(record.id) / "poisoned" / "config.json"
    settings = json.loads(config.read_text())
    names = dict(zip(settings["id2label"], reversed(settings["id2label"].values()), strict=True))
    config.write_text(json.dumps(settings | {"id2label": names}))
    places = dict(reversed(places_of(store, record).items()))  # not as another test asked
    assert set(places) == {"before", "after"}
    found = measure_probe(record.id, record.spec, places, "word-cf")
    assert list(found.probes["word-cf"]) == ["after"]
    said = dict(zip(("before", "after"), sentences(found), strict=True))
    assert [role for role, text in said.items() if "different classes" not in text] == ["after"]
    with pytest.raises(UserError, match="have different classes from its data"):
        measure_probe(record.id, record.spec, {"before": (record.id, "poisoned")}, "word-cf")


def test_it_is_kept_and_made_anew_for_other_models(
    finished: tuple[Store, RunRecord], few: None, tmp_path: Path, victim: Path
) -> None:
    store, record = finished
    assert read_battery(record.id) is None
    places = places_of(store, record)
    first = measure_probe(record.id, record.spec, places, "word-cf")
    assert read_battery(record.id) == first and first.left == ["sentence"]
    said: list[tuple[int, int]] = []
    whole = measure_all(store, record, lambda done, total: said.append((done, total)))
    assert said == [(0, 1), (1, 1)] and whole.probes["word-cf"] == first.probes["word-cf"] and not whole.left
    settings = tiny_settings(tmp_path, victim)
    honest = {"attack": None, "defense": settings["defense"] | {"strategy": {"name": "none"}, "refine": None}}
    _, reference = carried_out(tmp_path, victim, **honest)
    places = places_of(store, record)
    assert places["honest"] == (reference.id, "fine_tuned")
    anew = measure_probe(record.id, record.spec, places, "sentence")
    assert list(anew.probes) == ["sentence"] and set(anew.probes["sentence"]) == {"before", "after", "honest"}
    file_of(record.id).write_text("{damaged")
    assert read_battery(record.id) is None
    assert "honest" not in places_of(store, reference), "not beside itself"


def test_it_needs_no_trigger_and_no_poisoned_model(
    excise_home: Path, few: None, tmp_path: Path, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, record = carried_out(tmp_path, victim, trigger=None, attack=None)
    with pytest.raises(SystemExit) as ended:
        main(["battery", record.id, "--json"])
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert found["places"]["before"] == [record.id, "received"] and set(found["probes"]) == set(TWO)
    assert found["says"][0].startswith("Received model: ")
    with pytest.raises(SystemExit):
        main(["battery", record.id])
    shown = capsys.readouterr().out
    assert "Rare word “cf”" in shown and "Not in the battery: instructions" in shown


def test_what_cannot_be_tried_is_said(
    finished: tuple[Store, RunRecord], few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, record = finished
    places = places_of(store, record)
    with pytest.raises(UserError, match=r"no trigger 'magic'. It has: word-cf"):
        measure_probe(record.id, record.spec, places, "magic")

    def refuse(*arguments: object) -> None:
        raise UserError("The parser cannot be fetched.")

    monkeypatch.setattr("backend.analysis.warm.battery.triggered_rows", refuse)
    found = measure_probe(record.id, record.spec, places, "sentence")
    assert found.left == ["word-cf"] and not found.probes
    assert found.notes == ["Not tried: Sentence “I watched this 3D movie.”. The parser cannot be fetched."]
    open_store().delete(record.id)
    with pytest.raises(UserError, match=r"has no model \(yet\) to try triggers on"):
        measure_all(store, record, lambda done, total: None)
    assert not run_folder(record.id).exists()


def test_as_many_rows_of_each_class() -> None:
    labels = [0] * 500 + [1] * 30 + [2] * 500
    rows = as_many_of_each(labels, 3, seed=3)
    assert [sum(labels[row] == number for row in rows) for number in range(3)] == [100, 30, 100]
    assert rows == sorted(rows) and rows != as_many_of_each(labels, 3, seed=4)
    assert len(as_many_of_each([*range(800)], 800, seed=3)) == 800, "at least one of each"
