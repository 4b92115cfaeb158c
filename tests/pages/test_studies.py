"""The Studies page: choose, start, watch, go on, bring one's own."""

import json

import pytest
import yaml

from backend import defenses
from backend.base.paths import run_folder
from backend.evaluation.predictions import Predictions
from backend.studies import replication
from backend.studies import store as records
from backend.studies.built_in import STUDIES, built_in
from backend.studies.spec import cells, parse_study
from tests.pages.conftest import words
from tests.studies.grid import GRID, engine, hold


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """The style trigger would load a parser in a process of its own."""
    monkeypatch.setattr("pages.parts.studies.grid.rewritten", lambda trigger, seed, texts: list(texts))


def button(page, start: str):
    return next(one for one in page.button if one.label.replace("\u00a0", " ").startswith(start))


def progress(page) -> str:
    return next(one.text for one in page.get("progress")).replace("\u00a0", " ")


def finish(store, record, cell) -> None:
    """Carry a cell's run out with the stand-in engine."""
    from pathlib import Path

    from backend.runs.execution import execute

    lease = hold(store, record, cell)
    list(execute(store, lease, engine=lambda *args, **named: engine(cell.spec, Path(), run=lease.run)))


def test_a_built_in_study_is_chosen_and_queued(visit, store):
    page = visit("studies")
    assert STUDIES["replication"].question in words(page)
    page.selectbox(key="study-name").set_value("poison rate").run()
    assert "2 victims × 4 defenses × 1 seed = **8 runs**" in words(page)
    page.toggle(key="study-quick").set_value(False).run()
    assert "5 victims × 4 defenses × 3 seeds = **60 runs**" in words(page)
    button(page, "Queue 60 runs").click().run()
    assert not page.exception
    assert len(store.runs(limit=None)) == 60
    assert "0 of 60 runs done: 60 queued" in progress(page)


def test_the_paper_s_table_is_shown_as_it_was_measured(visit, monkeypatch):
    found = replication.load()
    page = visit("studies")
    assert found.machine in words(page) and found.chance and found.chance in words(page)
    for victim in found.victims:
        page.selectbox(key="measured-victim").set_value(victim).run()
        assert not page.exception
        shown = next(one.value for one in page.dataframe if "LFR, pruned alone" in one.value)
        assert list(shown["Defense"]) == [row.defense for row in found.rows if row.victim == victim]
        for title, expected in found.beside[victim].items():
            page.segmented_control(key=f"measured-minus-{victim}").set_value(title).run()
            shown = next(one.value for one in page.dataframe if "p, LFR" in one.value)
            assert shown.to_dict("records") == expected
        shown = [one.value.to_dict("records") for one in page.dataframe if "ρ with LFR" in one.value]
        assert shown == ([found.where[victim]] if found.where[victim] else [])
    partly = found.model_copy(update={"done": 7, "notes": found.notes | {victim: ["Failed: <b>PURE</b>"]}})
    monkeypatch.setattr(replication, "load", lambda: partly)
    page = visit("studies")
    page.selectbox(key="measured-victim").set_value(victim).run()
    assert f"7 of {found.cells} runs are done" in words(page) and "Failed: " in words(page)
    failed = partly.model_copy(update={"rows": [row for row in found.rows if row.victim != victim]})
    monkeypatch.setattr(replication, "load", lambda: failed)
    page = visit("studies")
    page.selectbox(key="measured-victim").set_value(victim).run()
    assert not page.exception and "Failed: " in words(page)
    monkeypatch.setattr(replication, "load", lambda: None)
    assert found.machine not in words(visit("studies"))


def test_a_study_of_one_s_own_is_checked_before_it_starts(visit, store):
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("yaml").run()
    page.text_area[0].set_value(json.dumps(GRID | {"defenses": {"<b>odd": {"strategy": "magic"}}})).run()
    assert "There is no strategy 'magic'" in words(page)
    page.text_area[0].set_value("a: [").run()
    assert "not readable YAML" in words(page)
    page.text_area[0].set_value(json.dumps(GRID)).run()
    button(page, "Queue 12 runs").click().run()
    assert len(store.runs()) == 12


def test_what_cannot_work_is_told_and_nothing_is_queued(visit, store):
    wrong = {"gone": {"trigger": {"name": "rare-words", "target_class": "splendid"}, "attack": {}}}
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("yaml").run()
    page.text_area[0].set_value(json.dumps(GRID | {"victims": wrong})).run()
    button(page, "Queue 6 runs").click().run()
    assert "Victim 'gone'" in words(page) and "splendid" in words(page)
    assert store.runs() == [] and records.studies(store) == []


def test_a_study_is_put_together_seen_as_yaml_changed_and_queued(visit, store):
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("form").run()
    assert "1 victim × 3 defenses × 1 seed = **3 runs**" in words(page)
    page.multiselect(key="study-form-0-triggers").set_value(["rare-words", "sentence"])
    page.text_input(key="study-form-0-rates").set_value("0.1, 0.3")
    page.multiselect(key="study-form-strategies").set_value(["gradient", "gradient:published", "ensemble"])
    page.text_input(key="study-form-tau").set_value("0.9, 0.95")
    page.text_input(key="study-form-seeds").set_value("11, 12").run()
    assert "4 victims × 8 defenses × 2 seeds = **64 runs**" in words(page)
    page.number_input(key="study-form-ensemble-draws").set_value(9).run()
    text = next(area for area in page.text_area if area.key.startswith("study-yaml-"))
    made = yaml.safe_load(text.value)
    assert list(made["victims"])[:2] == ["Rare words, 10% poisoned", "Rare words, 30% poisoned"]
    assert made["defenses"]["Gradient, published, τ = 0.9"] == {
        "strategy": "gradient",
        "variant": "published",
        "accuracy_threshold": 0.9,
    }
    assert made["defenses"]["Random ensemble, draws 9, τ = 0.95"]["params"] == {"draws": 9}
    assert made["base"]["data"]["train_rows"] == 1000
    text.set_value(yaml.safe_dump(made | {"seeds": [7]})).run()
    assert "4 victims × 8 defenses × 1 seed = **32 runs**" in words(page)
    button(page, "Queue 32 runs").click().run()
    assert not page.exception and len(store.runs()) == 32
    run = next(
        run for run in store.runs() if "Fixed sentence, 30% poisoned · Gradient, published" in run.name
    )
    assert run.spec.seed == 7 and run.spec.attack.poison_rate == 0.3
    assert run.spec.setting("strategy").variant == "published"


def test_other_defenses_are_chosen_with_what_is_their_own(visit):
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("form").run()
    chosen = page.multiselect(key="study-form-baselines")
    assert len(chosen.options) == len(defenses.COMPONENTS) - 1 and "Head pruning" not in chosen.options
    chosen.set_value(["fth", "ft"]).run()
    rate = next(one for one in page.number_input if one.label == "Learning rate" and one.value == 3e-4)
    rate.set_value(1e-3).run()
    made = yaml.safe_load(next(a.value for a in page.text_area if a.key.startswith("study-yaml-")))
    title = "Fine-tuning at a higher rate (FTH)"
    assert made["defenses"][f"{title}, learning rate 0.001"] == {
        "name": "fth",
        "params": {"learning_rate": 1e-3},
    }
    assert made["defenses"]["Fine-tuning (FT)"] == {"name": "ft"}
    (run,) = [one.spec for one in cells(parse_study(made)) if one.spec.defense.name == "fth"]
    assert run.setting("learning_rate") == 1e-3 and run.setting("fine_tune").epochs == 1


def test_two_data_sets_each_with_their_own_triggers(visit):
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("form").run()
    page.number_input(key="study-form-sets").set_value(2).run()
    page.segmented_control(key="study-form-1-data-source").set_value("hub").run()
    page.multiselect(key="study-form-1-triggers").set_value(["sentence"]).run()
    made = yaml.safe_load(next(a.value for a in page.text_area if a.key.startswith("study-yaml-")))
    assert list(made["victims"]) == ["Movie reviews, Rare words", "sst2, Fixed sentence"]
    assert made["victims"]["sst2, Fixed sentence"]["data"]["name"] == "sst2"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("study-form-0-rates", "many", "Poison rates: numbers separated by commas"),
        ("study-form-0-rates", "2", "less than or equal to 1"),
        ("study-form-tau", "", "give at least one number"),
        ("study-form-step", "1.5", "whole numbers"),
        ("study-form-step", "inf", "numbers separated by commas"),
        ("study-form-seeds", "x", "whole numbers separated by commas"),
    ],
)
def test_a_wrong_form_is_told(key, value, said, visit):
    page = visit("studies")
    page.segmented_control(key="study-source").set_value("form").run()
    page.text_input(key=key).set_value(value).run()
    assert not page.exception and said in words(page)


def test_chosen_runs_say_why_they_failed_and_are_done_again(visit, store):
    study = parse_study(GRID)
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(study):
        if cell.seed == 2:
            finish(store, record, cell)
    page = visit("studies", study=record.id)
    button(page, "Choose all that failed").click().run()
    assert words(page).count("The style | is 50% gone.") >= 3
    assert "style · FT, seed 2: failed" in words(page)
    chosen = [("style", "FT", 2), ("rare", "FT", 2), ("rare", "FT", 1)]
    page.multiselect(key=f"chosen-{record.id}").set_value(chosen).run()
    assert "rare · FT, seed 2: done" in words(page) and "ACC 90.0 %, LFR 70.0 %" in words(page)
    button(page, "Run 3 runs again").click().run()
    assert not page.exception
    after = records.read_study_record(store, record.id)
    assert [after.runs[place].state for place in chosen] == ["queued"] * 3
    assert after.runs[chosen[0]].id == record_of(store, record, chosen[0]), "it goes on"
    assert after.states() == {"waiting": 5, "queued": 3, "done": 2, "failed": 2}


def record_of(store, record, place):
    """The first run that the place had."""
    names = {f"{record.study.name}: {place[0]} · {place[1]}, seed {place[2]}"}
    return min((run for run in store.runs() if run.name in names), key=lambda run: run.created).id


def test_a_study_fills_fails_in_its_cells_and_goes_on(visit, store):
    study = parse_study(GRID | {"name": "<i>Mine</i>"})
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(record.study):
        if cell.victim == "rare" or cell.seed == 2:
            finish(store, record, cell)
    record = records.read_study_record(store, record.id)
    page = visit("studies", study=record.id)
    said = words(page)
    assert "<i>Mine</i>" in said and "The style | is 50% gone." in said
    assert "6 of 12 runs done: 6 done · 3 failed · 3 not started" in progress(page)
    table = page.dataframe[0].value
    row = table[(table["Victim"] == "rare") & (table["Defense"] == "gradient")].iloc[0]
    assert row["LFR"] == "65.0 ± 7.1 (1 to 100)" and row["Excess LFR"] == "55.0 ± 7.1 (-9 to 100)"
    assert row["Seeds done"] == "2 of 2"
    drawn = [one for one in page.get("plotly_chart") if "measured" not in one.key]
    assert len(drawn) == 5, "states, ACC and LFR, heads of three defenses"
    assert "**gradient**: 1 head, layer by layer" in said
    page.selectbox(key=f"against-{record.id}").set_value("gradient").run()
    assert "Nothing to compare" in words(page)
    for (_, defense, _), run in record.runs.items():
        folder = run_folder(run.id) / (run.final_model or "")
        folder.mkdir(parents=True, exist_ok=True)
        Predictions([0], [0], [1] * 20 if defense == "FT" else [0] * 20, 1).save(folder)
    page.selectbox(key=f"against-{record.id}").set_value("FT").run()
    gaps = page.dataframe[1].value
    assert list(gaps["Defense"]) == ["honest", "gradient"]
    assert gaps["LFR, points"][1] == "-100.0 (-100.0 to -100.0)" and gaps["p, LFR"][1] == "< 0.001"
    button(page, "Resume 6 runs").click().run()
    assert not page.exception
    assert records.read_study_record(store, record.id).states() == {"done": 6, "queued": 6}
    page = visit("studies", study=record.id)
    button(page, "Cancel unfinished runs").click().run()
    assert records.read_study_record(store, record.id).states() == {"done": 6, "cancelled": 6}
    page = visit("studies", study=record.id)
    button(page, "Delete for good").click().run()
    assert records.studies(store) == [] and "Start a study" in words(page)
    assert len(store.runs()) == 12, "its runs stay unless they are to go too"


def test_a_study_goes_with_its_runs(visit, store):
    record = records.read_study_record(store, records.register(store, parse_study(GRID)))
    for cell in cells(record.study)[:3]:
        finish(store, record, cell)
    page = visit("studies", study=record.id)
    assert "**Small grid** will be deleted" in words(page)
    page.toggle(key=f"delete-runs-{record.id}").set_value(True).run()
    button(page, "Delete for good").click().run()
    assert not page.exception and store.runs() == [] and records.studies(store) == []


def test_an_unknown_study_in_the_address_is_told(visit, store):
    records.register(store, built_in("seeds", quick=True))
    assert "There is no study nowhere" in words(visit("studies", study="nowhere"))


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_built_in_study_can_be_looked_at(name, visit):
    page = visit("studies")
    page.selectbox(key="study-name").set_value(name).run()
    assert not page.exception and button(page, "Queue")
