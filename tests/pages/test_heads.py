"""The Heads page: importance side by side, effects as they are measured, one head at a time."""

import threading
import time
from concurrent.futures import Future

import pytest

from backend.analysis import head_effects, importance
from backend.analysis.head_effects import Effect, Effects
from backend.analysis.head_effects_queue import Measuring
from backend.base.errors import UserError
from backend.base.events import HeadScores
from backend.base.paths import run_folder
from tests.pages.conftest import drawn, words
from tests.pages.played import Play, defended, full_spec, planted


@pytest.fixture
def asked(monkeypatch) -> list:
    """Questions that would go to the models, answered from what they were asked."""
    found: list = []

    def answer(doing, function, *arguments):
        found.append((doing, *arguments))
        return function(*arguments)

    monkeypatch.setattr("pages.parts.heads.importance.ask", answer)
    monkeypatch.setattr("pages.parts.heads.effects.ask", answer)
    return found


class Desk:
    """Answers at once, or when it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def hand(self, function, run, spec, pruned, head) -> Future:
        answer: Future = Future()
        threading.Thread(target=self._answer, args=(answer, run, pruned, head), daemon=True).start()
        return answer

    def _answer(self, answer: Future, run, pruned, head) -> None:
        self.open.wait()
        answer.set_result(measure(run, None, pruned, head))


@pytest.fixture
def desk(monkeypatch) -> Desk:
    made = Desk()
    measuring = Measuring(made.hand)
    monkeypatch.setattr("pages.parts.heads.effects.measuring", lambda: measuring)
    return made


def measure(run, spec, pruned, head) -> Effects:
    """As the models would: late heads carry the backdoor."""
    found = head_effects.read_effects(run) or Effects(
        rows=100, triggered_rows=100, before=Effect(acc=0.9, lfr=0.8)
    )
    if found.pruned != sorted(pruned):
        found.pruned, found.after = sorted(pruned), Effect(acc=0.88, lfr=0.3)
    found.gated[head_effects.name_of(head)] = Effect(acc=0.9, lfr=0.8 - 0.01 * (12 * head[0] + head[1]))
    if head in pruned:
        found.restored[head_effects.name_of(head)] = Effect(acc=0.88, lfr=0.55)
    file = head_effects.file_of(run)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(found.model_dump_json())
    part.replace(file)
    return found


def pressed(page, label: str):
    return next(one for one in page.button if one.label == label).click().run()


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


def test_without_a_scored_model_it_says_what_to_do(visit, store):
    assert "Start a defense" in words(visit("heads"))
    planted(store)
    assert "Start a defense" in words(visit("heads"))
    assert "no run 'nothing'" in words(visit("heads", run="nothing"))


def test_a_run_that_has_not_scored_yet(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    with_models(play.run)
    assert "no scored heads" in words(visit("heads", run=play.run))


def test_a_head_is_opened_by_its_address(visit, store):
    run = with_models(defended(store))
    page = visit("heads", run=run, layer="0", head="1")
    said = words(page)
    assert "Layer 0, head 1: **pruned**" in said and len(page.get("plotly_chart")) == 1
    table = page.dataframe[0].value
    assert table["Importance"][0] == 1.0 and table["Rank"][0] == "2 of 72"
    page = visit("heads", run=run, layer="0", head="5")
    assert "tried, then restored" in words(page)
    page.selectbox[2].set_value(11).run()
    assert "Layer 0, head 11: **kept**" in words(page)
    page = visit("heads", run=run, layer="99", head="<b>")
    assert "Layer 0, head 0" in words(page), "an address that names no head opens another"


def test_other_strategies_stand_beside_and_their_agreement_is_told(visit, store, asked, monkeypatch):
    run = with_models(defended(store))
    monkeypatch.setattr("pages.parts.heads.importance.score", lambda run, spec, name: scored(run, name))
    page = visit("heads", run=run)
    page.multiselect[0].set_value(["bayesian"]).run()
    assert asked[0][0] == "Scoring heads by Bayesian uncertainty" and not page.exception
    assert "Of the 4 heads that this run pruned, it would prune 0." in words(page)
    page.segmented_control[0].set_value("agreement").run()
    assert "Spearman's ρ" in words(page) and len(page.get("plotly_chart")) == 4
    page.segmented_control[0].set_value("layers").run()
    layers = page.dataframe[-1].value
    assert list(layers["Pruned"]) == [4, 0, 0, 0, 0, 0] and layers["Tried and restored"][0] == 2
    file = importance.file_of(run, "bayesian")
    file.parent.mkdir(exist_ok=True)
    file.write_text(scored(run, "bayesian").model_dump_json())
    asked.clear()
    page = visit("heads", run=run)
    assert page.multiselect[0].value == ["bayesian"] and not asked, "what was scored once is shown again"
    page.multiselect[0].set_value(["bayesian", "random"]).run()
    kept = page.query_params["strategies"]
    page = visit("heads", run=run, strategies=kept if isinstance(kept, str) else kept[0])
    assert page.multiselect[0].value == ["bayesian", "random"]
    page.multiselect[0].set_value([]).run()
    assert visit("heads", run=run, strategies="").multiselect[0].value == [], "none is a choice too"


def test_heads_are_measured_in_the_background_and_shown_beside_importance(visit, store, desk):
    run = with_models(defended(store))
    page = visit("heads", run=run, layer="0", head="0")
    assert len(page.get("plotly_chart")) == 1
    pressed(page, "Measure every head")
    assert "Reading models and rows" in page.get("progress")[0].proto.text
    assert "Reading models and rows" in visit("heads", run=run).get("progress")[0].proto.text, "another tab"
    desk.open.set()
    for _ in range(200):
        if (found := head_effects.read_effects(run)) and not head_effects.heads_left(
            found, 6, 12, found.pruned
        ):
            break
        time.sleep(0.05)
    page.run()
    page.run()
    assert not page.exception and not page.get("progress")
    said = words(page)
    assert (
        "LFR 80.0 % → 80.0 % (71.1–86.7 %)" in said
        and "restored: ACC 88.0 % → 88.0 % (80.2–93.0 %), LFR 30.0 % → 55.0 % (45.2–64.4 %)" in said
    )
    assert "LFR with every head active: 80.0 % (71.1–86.7 %)." in said
    notes = drawn(page, "LFR with one head switched off")["data"][1]["text"]
    assert "Change of LFR -11.0 points<br>LFR 69.0\u00a0% (59.4–77.2\u00a0%)" in notes[11]
    assert "72 heads): **the heads that carry the backdoor tend to be pruned last**" in said
    assert len(page.get("plotly_chart")) == 3, "importance, effect, rank"
    page.segmented_control(key=f"kind-{run}").set_value("restored").run()
    assert not page.exception and page.query_params["effect"] == "restored"
    page.segmented_control(key=f"measure-{run}").set_value("acc").run()
    assert "ACC of the defended model: 88.0 %" in words(page)
    assert "does not change ACC" in words(page), "an order of heads that all do nothing"
    page = visit("heads", run=run, effect="restored", measure="acc", view="layers")
    assert "ACC of the defended model: 88.0 %" in words(page), "all of it is in the address"
    assert page.dataframe[-1].value["Pruned"][0] == 4


def test_measuring_is_stopped_and_taken_up_again(visit, store, desk):
    run = with_models(defended(store))
    page = visit("heads", run=run)
    pressed(page, "Measure every head")
    pressed(page, "Stop")
    desk.open.set()
    for _ in range(200):
        page.run()
        if not page.get("progress"):
            break
        time.sleep(0.05)
    assert not page.exception
    found = head_effects.read_effects(run)
    assert len(found.gated) == 1 and "5.0" in found.gated
    assert any(one.label.replace("\u00a0", " ") == "Measure the other 71 heads" for one in page.button)
    assert len(page.get("plotly_chart")) == 3, "what is known by now is drawn"


def test_one_head_is_measured_alone(visit, store, asked, monkeypatch):
    run = with_models(defended(store))
    monkeypatch.setattr("pages.parts.heads.effects.measure_head", measure)
    page = visit("heads", run=run, layer="0", head="1")
    pressed(page, "Measure what this head does")
    assert [question[-1] for question in asked] == [(0, 1)] and not page.exception
    said = words(page)
    assert "switched off: ACC 90.0 % → 90.0 % (82.6–94.5 %), LFR 80.0 % → 79.0 % (70.0–85.8 %)" in said
    assert "LFR 30.0 % → 55.0 % (45.2–64.4 %)" in said and "is shown once all 72 heads are measured" in said
    assert not any(one.label == "Measure what this head does" for one in page.button)


def test_every_click_opens_a_head_the_same_one_too(visit, store, monkeypatch):
    from pages.parts.heads import select

    run = with_models(defended(store))
    clicked: dict = {}
    drawn: list[str] = []

    def chart(figure, key, on_select, selection_mode, alt):
        drawn.append(key)
        if key == clicked.get("on"):
            clicked.pop("on")
            select.st.session_state[key] = {"selection": {"points": [{"customdata": list(clicked["head"])}]}}
            on_select()

    monkeypatch.setattr("pages.parts.heads.select.st.plotly_chart", chart)
    page = visit("heads", run=run, layer="0", head="1")
    for head in ((2, 3), (2, 3)):
        clicked.update(on=drawn[-1], head=head)
        page.query_params["layer"] = "0"
        before = drawn[-1]
        page.run()
        page.run()
        assert "Layer 2, head 3" in words(page)
        assert drawn[-1] != before, "the next grid has nothing selected"


def test_a_measurement_that_fails_is_told_and_can_be_started_again(visit, store, monkeypatch):
    run = with_models(defended(store))

    def fail(function, *arguments) -> Future:
        answer: Future = Future()
        answer.set_exception(UserError("The triggered rows of run <b> are not there any more."))
        return answer

    measuring = Measuring(fail)
    monkeypatch.setattr("pages.parts.heads.effects.measuring", lambda: measuring)
    page = visit("heads", run=run)
    pressed(page, "Measure every head")
    for _ in range(100):
        page.run()
        if "triggered rows of run <b>" in words(page):
            break
        time.sleep(0.05)
    assert "triggered rows of run <b>" in words(page) and not page.exception
    assert any(one.label == "Measure every head" for one in page.button)
