"""The Attention page: every view of every model, over answers that are told."""

import csv

import numpy as np
import pytest

from backend.analysis.attention import Attention, changed_parts
from backend.base.paths import run_folder
from tests.pages.conftest import words
from tests.pages.played import Play, blind_spec, defended, full_spec, planted

CLEAN, TRIGGERED = "a dull <b>film</b>", "a cf dull <b>film</b>"


def attend(run, name, text, clean=None) -> Attention:
    tokens = ["[CLS]", *text.split(), "[SEP]"]
    new = {text[a:b] for a, b in changed_parts(clean, text)} if clean is not None else set()
    weights = np.full((6, 12, len(tokens), len(tokens)), 1 / len(tokens))
    return Attention(tokens, weights, np.array([token in new for token in tokens]))


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list:
    found: list = []

    def answer(doing, function, *arguments):
        found.append((doing, *arguments))
        return attend(*arguments)

    monkeypatch.setattr("pages.parts.common.ask.ask", answer)
    return found


@pytest.fixture
def run(store) -> str:
    run = defended(store)
    path = run_folder(run) / "generated" / "rewritings.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "row", "label", "text", "rewritten", "left_out"])
        writer.writerows([["test", i, "negative", f"{i} {CLEAN}", f"{i} {TRIGGERED}", ""] for i in range(3)])
    return run


def test_without_a_model_it_says_what_to_do(visit, store):
    assert "Start a defense" in words(visit("attention"))
    play = Play(store, full_spec())
    play.prepare()
    assert "no saved models" in words(visit("attention", run=play.run))
    play.finish("failed", "It broke.")
    assert "no saved models" in words(visit("attention", run=play.run))


@pytest.mark.parametrize(
    ("view", "charts", "frames"),
    [("row", 2, 0), ("head", 2, 0), ("trigger", 2, 0), ("heads", 0, 1), ("model", 0, 1)],
)
def test_every_view_opens_by_its_address(visit, run, view, charts, frames):
    page = visit("attention", run=run, view=view, model="poisoned", row="2", layer="1", head="3")
    assert not page.error
    assert len(page.get("plotly_chart")) == charts and len(page.get("iframe")) == frames
    assert all(" " in chart.proto.alt for chart in page.get("plotly_chart")), "said to who sees none"
    assert [button.label for button in page.get("download_button")] == ["Drawing (HTML)"] * frames
    assert page.query_params["view"] in (view, [view]) and page.query_params["row"] in ("2", ["2"])


def test_models_are_drawn_beside_each_other_and_pruned_heads_crossed(visit, run):
    page = visit("attention", run=run, view="heads", model="defended", beside="poisoned,nobody")
    (frame,) = page.get("iframe")
    for panel in ("Defended: Clean", "Defended: With the trigger", "Poisoned: Clean"):
        assert f"<figcaption>{panel}</figcaption>" in frame.proto.srcdoc
    assert "PRUNED = [[[0,0],[0,1],[0,2],[0,3]]" in frame.proto.srcdoc and "Crosses mark" in words(page)


def test_long_rows_draw_fewer_tokens_and_layers(visit, store):
    run = defended(store, blind_spec())
    page = visit("attention", run=run, view="model", text=" ".join(["word"] * 200))
    assert "32 of the 202 tokens" in words(page) and not page.multiselect
    page.selectbox(key="attention-most").set_value("96").run()
    assert not page.exception and page.multiselect[0].value == [5]


def test_a_pruned_head_is_said_to_be_pruned(visit, run):
    page = visit("attention", run=run, view="head", model="defended", layer="0", head="1")
    assert "is **pruned** in this model" in words(page)
    page = visit("attention", run=run, view="head", model="poisoned", layer="0", head="1")
    assert "**pruned**" not in words(page)


def test_attention_on_the_trigger_is_told_beside_an_even_share(visit, run):
    said = words(visit("attention", run=run, view="trigger", layer="0", head="1"))
    assert "1 token of 7 changed" in said and "**14.3 %**" in said


@pytest.mark.parametrize("less", ["clean", "poisoned"])
def test_differences_are_drawn(visit, run, less):
    page = visit("attention", run=run, view="row", model="defended", less=less)
    assert not page.error and len(page.get("plotly_chart")) == (1 if less == "clean" else 2)


def test_ones_own_text_is_looked_at_and_kept_in_the_address(visit, store):
    run = defended(store, blind_spec())
    page = visit("attention", run=run)
    assert "Type a sentence" in words(page)
    page.text_area[0].set_value("my <i>own</i> text").run()
    assert not page.exception and len(page.get("plotly_chart")) == 1
    assert page.query_params["text"] in ("my <i>own</i> text", ["my <i>own</i> text"])


def test_the_poisoned_model_that_another_run_planted_is_there(visit, store, asked):
    planted_run = planted(store)
    spec = full_spec().model_copy(update={"attack": None})
    spec.model = spec.model.model_copy(update={"source": "run", "name": planted_run})
    play = Play(store, spec)
    play.prepare()
    play.prune()
    page = visit("attention", run=play.finish(), text="a dull film", view="row")
    models = page.segmented_control(key=next(one.key for one in page.segmented_control if "model" in one.key))
    assert models.options[0] == "Poisoned" and not page.exception
    models.set_value("poisoned").run()
    assert asked[-1][1:3] == (planted_run, "poisoned") and page.query_params["model"] == "poisoned"


def test_a_trigger_on_ones_own_text_is_kept_in_the_address(visit, store):
    run = defended(store)
    page = visit("attention", run=run, text="a dull film", trigger="hand", triggered="a <b>zz</b> film")
    assert page.text_area[1].value == "a <b>zz</b> film" and len(page.get("plotly_chart")) == 2
    asked_for = '{"name":"rare-words","variant":null,"params":{"words":["zz"]}}'
    page = visit("attention", run=run, text="a dull film", trigger="another", apply=asked_for)
    assert page.text_input[0].value == "zz" and not page.exception
    page.segmented_control[1].set_value("none").run()
    assert "apply" not in page.query_params and page.query_params["trigger"] == "none"
    for wrong in ('{"name":"nothing"}', '{"name":"rare-words","params":{"count":"many"}}', "{"):
        page = visit("attention", run=run, text="a dull film", trigger="another", apply=wrong)
        assert not page.exception, wrong


def test_a_wrong_address_falls_back(visit, run):
    page = visit("attention", run=run, view="nothing", model="nobody", row="999", layer="99", head="x")
    assert not page.error and page.get("plotly_chart")


def test_one_choice_after_another_counts(visit, run):
    """Each is kept in the address, and the boxes that stand there then know of it."""
    page = visit("attention", run=run, view="head", layer="1", head="3")
    for layer, head in ((2, 3), (2, 5), (0, 5), (1, 1)):
        now = {box.label: box for box in page.selectbox}
        for label, wanted in (("Layer", layer), ("Head", head)):
            if now[label].value != wanted:
                now[label].set_value(wanted).run()
                now = {box.label: box for box in page.selectbox}
        assert (page.query_params["layer"], page.query_params["head"]) == (str(layer), str(head))
        assert (now["Layer"].value, now["Head"].value) == (layer, head)


def test_the_heads_page_looks_at_one_head(visit, run):
    folder = run_folder(run) / "fine_tuned"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    page = visit("heads", run=run, layer="1", head="3", row="1")
    next(one for one in page.toggle if one.label == "Look at a row here").set_value(True).run()
    assert not page.exception
    assert page.query_params["look"] == "yes"
    table = page.dataframe[1].value
    assert table["Model"].tolist() == ["Poisoned"] * 2 + ["Fine-tuned"] * 2 + ["Defended"] * 2
    assert table["On trigger tokens"].tolist()[1] == pytest.approx(100 / 7)


@pytest.fixture
def ready_made(store) -> str:
    """A run whose rows came with their trigger."""
    run = defended(store)
    with (run_folder(run) / "generated" / "rewritings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "row", "label", "text", "rewritten", "left_out"])
        writer.writerows([["test", i, "", "", f"{i} {TRIGGERED}", ""] for i in range(3)])
    return run


@pytest.mark.parametrize("view", ["row", "head", "trigger", "heads", "model"])
def test_a_row_that_came_with_its_trigger_is_looked_at_alone(visit, ready_made, view):
    page = visit("attention", run=ready_made, view=view, model="poisoned", row="1", layer="1", head="3")
    assert not page.exception and not page.error
    assert "without a clean row to compare with" in words(page)
    assert "class unknown" in str(next(box for box in page.selectbox if box.label == "Row").options)


def test_the_heads_page_looks_at_such_a_row_too(visit, ready_made):
    folder = run_folder(ready_made) / "fine_tuned"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    page = visit("heads", run=ready_made, layer="1", head="3", row="1")
    next(one for one in page.toggle if one.label == "Look at a row here").set_value(True).run()
    assert not page.exception and "no clean row" in words(page)
    assert page.dataframe[1].value["Row"].tolist() == ["triggered"] * 3
