"""The Studies page: choose, start, watch, go on, bring one's own."""

import json

import pytest

from backend.calls import Calls
from backend.home import run_folder
from backend.runs import leases
from backend.studies import records
from backend.studies.built_in import STUDIES, built_in
from tests.pages.conftest import words
from tests.studies.test_studies import GRID, engine


def button(page, start: str):
    return next(one for one in page.button if one.label.replace("\u00a0", " ").startswith(start))


def progress(page) -> str:
    return next(one.text for one in page.get("progress")).replace("\u00a0", " ")


def finish(store, record, cell) -> None:
    """Carry a cell's run out with the stand-in engine."""
    from pathlib import Path

    from backend.runs.execution import execute

    lease = leases.begin(store, cell.spec, "here")
    records.assign(store, record.id, cell, lease.run)
    list(execute(store, lease, engine=lambda *args, **named: engine(cell.spec, Path(), run=lease.run)))


def test_a_built_in_study_is_chosen_and_queued(visit, store):
    page = visit("studies")
    assert STUDIES["replication"].question in words(page)
    page.selectbox(key="study-name").set_value("poison rate").run()
    assert "2 victims × 3 defenses × 1 seed = **6 runs**" in words(page)
    page.toggle(key="study-quick").set_value(False).run()
    assert "5 victims × 3 defenses × 3 seeds = **45 runs**" in words(page)
    button(page, "Queue 45 runs").click().run()
    assert not page.exception
    assert len(store.runs(limit=None)) == 45
    assert "0 of 45 runs done: 45 queued" in progress(page)


def test_a_study_of_one_s_own_is_checked_before_it_starts(visit, store):
    page = visit("studies")
    page.selectbox(key="study-name").set_value("A study of your own").run()
    page.text_area[0].set_value(json.dumps(GRID | {"defenses": {"<b>odd": {"strategy": "magic"}}})).run()
    assert "There is no strategy 'magic'" in words(page)
    page.text_area[0].set_value("a: [").run()
    assert "not readable YAML" in words(page)
    page.text_area[0].set_value(json.dumps(GRID)).run()
    button(page, "Queue 12 runs").click().run()
    assert len(store.runs()) == 12


def test_a_study_fills_fails_in_its_cells_and_goes_on(visit, store):
    from backend.studies.spec import cells, parse_study

    study = parse_study(GRID | {"name": "<i>Mine</i>"})
    record = records.read_study_record(store, records.register(store, study))
    for cell in cells(record.study):
        if cell.victim == "rare" or cell.seed == 2:
            finish(store, record, cell)
    record = records.read_study_record(store, record.id)
    page = visit("studies", study=record.id)
    said = words(page)
    assert "<i>Mine</i>" in said and "The style | is 50% gone." in said
    assert "6 of 12 runs done: 6 done · 3 failed · 3 without a run" in progress(page)
    table = page.dataframe[0].value
    row = table[(table["Victim"] == "rare") & (table["Defense"] == "gradient")].iloc[0]
    assert row["LFR"] == "65.0 ± 7.1 (1 to 100)" and row["Excess LFR"] == "55.0 ± 7.1 (-9 to 100)"
    assert row["Seeds done"] == "2 of 2"
    page.toggle(key=f"heads-{record.id}").set_value(True).run()
    assert not page.exception and len(page.get("plotly_chart")) == 3, "states, ACC and LFR, pruned heads"
    page.selectbox(key=f"against-{record.id}").set_value("FT").run()
    assert "nothing to compare" in words(page)
    for (_, defense, _), run in record.runs.items():
        folder = run_folder(run.id) / (run.final_model or "")
        folder.mkdir(parents=True, exist_ok=True)
        Calls([0], [0], [1] * 20 if defense == "FT" else [0] * 20, 1).save(folder)
    page.run()
    gaps = page.dataframe[1].value
    assert list(gaps["Defense"]) == ["honest", "gradient"]
    assert gaps["LFR, points"][1] == "-100.0 (-100.0 to -100.0)" and gaps["p, LFR"][1] == "< 0.001"
    page.selectbox(key=f"cell-{record.id}-None").set_value(("rare", "gradient", 1)).run()
    assert not page.exception and button(page, "Open the run"), "a run is reached without a mouse"
    button(page, "Go on with 6 runs").click().run()
    assert not page.exception
    assert records.read_study_record(store, record.id).states() == {"done": 6, "queued": 6}
    page = visit("studies", study=record.id)
    button(page, "Cancel what is not done").click().run()
    assert records.read_study_record(store, record.id).states() == {"done": 6, "cancelled": 6}
    page = visit("studies", study=record.id)
    button(page, "Forget the study").click().run()
    assert records.studies(store) == [] and "Start a study" in words(page)


def test_an_unknown_study_in_the_address_is_told(visit, store):
    records.register(store, built_in("seeds", quick=True))
    assert "There is no study nowhere" in words(visit("studies", study="nowhere"))


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_built_in_study_can_be_looked_at(name, visit):
    page = visit("studies")
    page.selectbox(key="study-name").set_value(name).run()
    assert not page.exception and button(page, "Queue")
