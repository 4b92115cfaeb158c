"""The Heads page: importance side by side, effects as they are measured, one head at a time."""

import pytest

from backend.events import HeadScores
from backend.home import run_folder
from backend.inspection import effects, importance
from backend.inspection.effects import Effect, Effects
from tests.pages.conftest import drawn, words
from tests.pages.played import Play, defended, full_spec, planted


@pytest.fixture
def asked(monkeypatch) -> list:
    """Questions that would go to the models, answered from what they were asked."""
    found: list = []

    def answer(doing, function, *arguments):
        found.append((doing, *arguments))
        return function(*arguments)

    monkeypatch.setattr("pages.parts.head_importance.ask", answer)
    monkeypatch.setattr("pages.parts.head_effects.ask", answer)
    return found


def with_models(run: str) -> str:
    folder = run_folder(run) / "fine_tuned"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    return run


def scored(run: str, name: str) -> HeadScores:
    order = [(layer, head) for layer in reversed(range(6)) for head in range(12)]
    return HeadScores(
        run=run,
        strategy=name,
        layers=6,
        heads=12,
        scores=[[float(layer)] * 12 for layer in range(6)],
        order=order,
    )


def measured(layers: int) -> Effects:
    heads = [(layer, head) for layer in range(6 - layers, 6) for head in range(12)]
    return Effects(
        rows=100,
        triggered_rows=100,
        of=6,
        layers=list(range(6 - layers, 6)),
        before=Effect(acc=0.9, lfr=0.8),
        after=Effect(acc=0.88, lfr=0.3),
        gated={effects.name_of(head): Effect(acc=0.9, lfr=0.8 - 0.01 * head[1]) for head in heads},
        restored={"0.0": Effect(acc=0.88, lfr=0.55)},
    )


def test_without_a_scored_model_it_says_what_to_do(visit, store):
    assert "Start a defense" in words(visit("heads"))
    planted(store)
    assert "Start a defense" in words(visit("heads"))
    assert "no run 'nothing'" in words(visit("heads", run="nothing"))


def test_a_run_that_has_not_scored_yet(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    with_models(play.run)
    assert "no scored heads (yet)" in words(visit("heads", run=play.run))


def test_a_head_is_opened_by_its_address(visit, store):
    run = with_models(defended(store))
    page = visit("heads", run=run, layer="0", head="1")
    said = words(page)
    assert "Layer 0, head 1: **pruned**" in said and len(page.get("plotly_chart")) == 1
    table = page.dataframe[-1].value
    assert table["Importance"][0] == 1.0 and table["Place in line"][0] == "2 of 72"
    page = visit("heads", run=run, layer="0", head="5")
    assert "tried and given back" in words(page)
    page.selectbox[2].set_value(11).run()
    assert "Layer 0, head 11: **kept**" in words(page)
    page = visit("heads", run=run, layer="99", head="<b>")
    assert "Layer 0, head 0" in words(page), "an address that names no head opens another"


def test_other_strategies_stand_beside_and_their_agreement_is_told(visit, store, asked, monkeypatch):
    run = with_models(defended(store))
    monkeypatch.setattr("pages.parts.head_importance.score", lambda run, spec, name: scored(run, name))
    page = visit("heads", run=run)
    page.multiselect[0].set_value(["bayesian"]).run()
    assert asked[0][0] == "Scoring heads by Bayesian uncertainty" and not page.exception
    assert "Of the 4 heads that this run pruned, it would prune 0." in words(page)
    page.segmented_control[0].set_value("Agreement of strategies").run()
    assert "Spearman's ρ" in words(page) and len(page.get("plotly_chart")) == 4
    page.segmented_control[0].set_value("Layers").run()
    layers = page.dataframe[0].value
    assert list(layers["Pruned"]) == [4, 0, 0, 0, 0, 0] and layers["Tried and restored"][0] == 2
    file = importance.file_of(run, "bayesian")
    file.parent.mkdir(exist_ok=True)
    file.write_text(scored(run, "bayesian").model_dump_json())
    asked.clear()
    page = visit("heads", run=run)
    assert page.multiselect[0].value == ["bayesian"] and not asked, "what was scored once is shown again"


def test_effects_are_measured_layer_by_layer_and_kept(visit, store, asked, monkeypatch):
    run = with_models(defended(store))

    def measure(run, spec, pruned, layer):
        found = measured(6 - layer)
        file = effects.file_of(run)
        file.parent.mkdir(exist_ok=True)
        file.write_text(found.model_dump_json())
        return found

    monkeypatch.setattr("pages.parts.head_effects.measure_layer", measure)
    page = visit("heads", run=run, layer="0", head="0")
    next(one for one in page.button if one.label == "Measure every head").click().run()
    while len(asked) < 6:
        page.run()
    assert [question[-1] for question in asked] == [5, 4, 3, 2, 1, 0], "the last layer first"
    page.run()
    assert not page.exception
    said = words(page)
    assert (
        "LFR 80.0 % → 80.0 % (71.1–86.7 %)" in said
        and "given back: ACC 88.0 % → 88.0 % (80.2–93.0 %), LFR 30.0 % → 55.0 % (45.2–64.4 %)" in said
    )
    assert "LFR with every head speaking: 80.0 % (71.1–86.7 %)." in said
    notes = drawn(page, "LFR with one head silent")["data"][1]["text"]
    assert "Change of LFR -11.0 points<br>LFR 69.0\u00a0% (59.4–77.2\u00a0%)" in notes[11]
    assert "Rank correlation of place and change" in said
    assert len(page.get("plotly_chart")) == 4, "importance, LFR, ACC, place in line"
    page.segmented_control[1].set_value("restored").run()
    assert not page.exception and len(page.get("plotly_chart")) == 3


def test_a_question_that_fails_is_told_and_asked_again_on_demand(visit, store, monkeypatch):
    from backend.errors import UserError

    run = with_models(defended(store))

    def fail(*arguments):
        raise UserError("The triggered rows of run <b> are not there any more.")

    monkeypatch.setattr("pages.parts.head_effects.ask", fail)
    page = visit("heads", run=run)
    next(one for one in page.button if one.label == "Measure every head").click().run()
    assert "triggered rows of run <b>" in words(page) and not page.exception
    page.run()
    assert any(one.label == "Measure every head" for one in page.button)
