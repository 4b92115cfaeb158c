"""The playground: every model's answer, coloured text, and heads that are silenced one by one."""

import json

import pytest

from backend.analysis.answers import Attributed, Said
from backend.base.errors import UserError
from backend.base.paths import run_folder
from tests.pages.conftest import words
from tests.pages.played import Play, attack_spec, blind_spec, checked, defended, full_spec, planted

CONFIG = {"model_type": "bert", "num_hidden_layers": 6, "num_attention_heads": 12}


def say(places, texts, max_length, silent=()):
    """Triggered text is called positive by all but the defended model, and less so with heads silenced."""
    found = []
    for _, name in places:
        share = 0.3 if name == "defended" else 0.9 - 0.2 * len(silent)
        answers = [share if " cf " in text else 0.1 for text in texts]
        found.append([Said({"negative": 1 - one, "positive": one}) for one in answers])
    return found


def attribute(place, text, label, max_length):
    return Attributed([(word, 3.0 if word == "cf" else -0.5) for word in text.split()], 0.0, 1.0)


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list:
    """Questions that would go to the models, answered from what they were asked."""
    found: list = []

    def answer(doing, function, *arguments):
        found.append((doing, function.__name__, *arguments))
        return {"say": say, "attribute": attribute}[function.__name__](*arguments)

    monkeypatch.setattr("pages.parts.common.ask.ask", answer)
    return found


def with_models(run: str, *names: str) -> str:
    for name in names or ("poisoned", "fine_tuned", "defended"):
        folder = run_folder(run) / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(CONFIG))
    return run


def with_row(run: str) -> str:
    file = run_folder(run) / "generated" / "rewritings.csv"
    head = "split,row,label,text,rewritten,left_out\n"
    file.write_text(head + "test,3,negative,a dull <b>film</b>,a cf dull <b>film</b>,\n")
    return run


def html_of(page) -> str:
    return "\n".join(str(one.proto.body) for one in page.get("html"))


def test_without_a_model_it_says_what_to_do(visit, store):
    assert "Start a defense" in words(visit("playground"))
    play = Play(store, full_spec())
    play.prepare()
    assert "has no saved models" in words(visit("playground", run=play.run))
    failed = play.finish("failed", "out of memory")
    assert "has no saved models" in words(visit("playground", run=failed))
    assert "no run 'nothing'" in words(visit("playground", run="nothing"))


def test_one_run_after_another_is_chosen(visit, store, asked):
    """Also from the address of one that is gone."""
    runs = [with_models(defended(store)) for _ in range(3)]
    for address in ({}, {"run": "nothing"}):
        page = visit("playground", **address)
        for run in (runs[1], runs[0], runs[2], runs[1]):
            next(box for box in page.selectbox if box.label == "Run").set_value(run).run()
            assert not page.exception
            assert next(box for box in page.selectbox if box.label == "Run").value == run
            assert page.query_params["run"] == run


def test_a_row_is_put_to_every_model(visit, store, asked):
    run = with_row(with_models(defended(store)))
    page = visit("playground", run=run)
    said = words(page)
    assert "Prediction **positive**" in said and "Prediction **negative**" in said
    table = page.dataframe[0].value
    assert list(table["Model"]) == [
        "Poisoned",
        "Poisoned",
        "Fine-tuned",
        "Fine-tuned",
        "Defended",
        "Defended",
    ]
    assert list(table["positive"]) == [10, 90, 10, 90, 10, 30]
    assert asked[0][2] == [(run, "poisoned"), (run, "fine_tuned"), (run, "defended")]
    assert asked[0][3] == ["a dull <b>film</b>", "a cf dull <b>film</b>"]
    assert "With the trigger: “cf” +3.00" in said and "“dull” −0.50" in said
    shown = html_of(page)
    assert "class='for'" in shown and "&lt;b&gt;film&lt;/b&gt;" in shown and "<b>" not in shown
    assert page.query_params["class"] == "positive" and len(page.get("plotly_chart")) == 2


def test_own_text_in_the_address_is_asked_and_kept(visit, store, asked):
    run = with_models(defended(store))
    page = visit("playground", run=run, text="a dull plot")
    assert page.text_area[0].value == "a dull plot"
    assert len(asked[0][3]) == 2 and "a dull plot" in asked[0][3], "with this run's own trigger"
    page.segmented_control[1].set_value("none").run()
    assert "no trigger" in html_of(page) and len(page.get("metric")) == 1
    page.text_area[0].set_value("  ").run()
    assert "Type a sentence" in words(page) and not page.get("plotly_chart") and not page.exception


def test_heads_are_silenced_by_name_button_and_address(visit, store, asked):
    run = with_row(with_models(defended(store)))
    page = visit("playground", run=run, heads="5.3,9.9", model="fine_tuned")
    assert page.multiselect[0].value == [(5, 3)] and "does not have" in words(page)
    assert asked[1][2:] == ([(run, "fine_tuned")], asked[0][3], 128, [(5, 3)])
    assert [metric.value.replace("\u00a0", " ") for metric in page.metric] == ["10.0 %", "70.0 %"]
    assert page.metric[1].delta.replace("\u00a0", " ") == "-20.0 points"
    next(one for one in page.button if one.label == "Switch off this run's pruned heads").click().run()
    assert page.multiselect[0].value == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert page.query_params["heads"] == "0.0,0.1,0.2,0.3"
    assert "Prediction **negative**, before positive" in words(page)
    next(one for one in page.button if one.label == "Switch all heads on").click().run()
    assert "heads" not in page.query_params and page.multiselect[0].value == []
    page.multiselect[0].set_value([(1, 1)]).run()
    assert page.query_params["heads"] == "1.1" and not page.exception
    page.segmented_control[1].set_value("defended").run()
    assert "have no effect in this model" in words(page) and page.query_params["model"] == "defended"


def test_a_clean_reference_is_asked_too_or_can_be_trained(visit, store, asked):
    run = with_row(with_models(defended(store)))
    page = visit("playground", run=run)
    assert "No clean reference yet" in words(page)
    next(one for one in page.button if one.label == "Train one").click().run()
    queued = store.runs()[0]
    assert queued.spec.attack is None and queued.spec.defense.name == "reference"
    honest = with_models(defended(store, queued.spec), "fine_tuned")
    asked.clear()
    page = visit("playground", run=run)
    assert asked[0][2][0] == (honest, "fine_tuned") and "No clean reference" not in words(page)
    assert page.dataframe[0].value["Model"][0] == "Never poisoned"
    assert "its own models are clean references" in words(visit("playground", run=honest, text="a dull film"))


def test_a_planted_model_alone_and_one_of_unknown_origin(visit, store):
    page = visit("playground", run=with_row(with_models(planted(store), "poisoned")))
    assert set(page.dataframe[0].value["Model"]) == {"Poisoned"}
    pruned = next(one for one in page.button if one.label == "Switch off this run's pruned heads")
    assert pruned.disabled
    run = defended(store, blind_spec().model_copy(update={"name": "blind"}))
    page = visit("playground", run=with_models(run, "fine_tuned"), text="a dull film")
    assert not page.exception and page.query_params["class"] == "negative", "the class that it calls"


def test_the_victim_of_another_run_speaks_too(visit, store, asked):
    victim = with_models(planted(store), "poisoned")
    spec = full_spec().model_copy(update={"attack": None})
    spec.model = spec.model.model_copy(update={"source": "run", "name": victim})
    play = Play(store, spec)
    play.prepare()
    play.prune()
    page = visit("playground", run=with_row(with_models(play.finish(), "fine_tuned", "defended")))
    assert asked[0][2][0] == (victim, "poisoned")
    page.segmented_control(key=f"switches-model-{play.run}").set_value("poisoned").run()
    page.multiselect[0].set_value([(1, 1)]).run()
    assert asked[-1][2:4] == ([(victim, "poisoned")], asked[0][3]) and not page.exception


def test_what_goes_wrong_is_told(visit, store, monkeypatch):
    run = with_row(with_models(defended(store)))

    def fail(*arguments):
        raise UserError("Run <b> has no defended model (any more).")

    monkeypatch.setattr("pages.parts.common.ask.ask", fail)
    page = visit("playground", run=run)
    assert "Run <b> has no defended model" in words(page) and not page.exception


def test_planting_runs_have_a_reference_of_their_own_settings(visit, store):
    spec = attack_spec()
    run = with_row(with_models(planted(store), "poisoned"))
    page = visit("playground", run=run)
    next(one for one in page.button if one.label == "Train one").click().run()
    asked = store.runs()[0].spec
    assert asked.model == spec.model and asked.data == spec.data and asked.attack is None


def test_a_checked_model_is_asked_beside_the_clean_one_of_the_check(visit, store, asked):
    """The check's page leads here with a sentence that it flipped."""
    run = with_models(checked(store), "received")
    query = {"run": run, "text": "a dull film", "trigger": "hand", "triggered": "a cf dull film"}
    page = visit("playground", **query)
    assert list(asked[0][2]) == [(run, "received")]
    with_models(run, "clean_model")
    (run_folder(run) / "clean_model" / "excise.json").write_text("{}")  # measured by no test rows
    asked.clear()
    page = visit("playground", **query)
    assert asked[0][2:4] == ([(run, "clean_model"), (run, "received")], ["a dull film", "a cf dull film"])
    assert "The clean reference is the model that the check trained on your rows." in words(page)
