"""The trigger battery on a run's page: offered, measured trigger by trigger, told as a suspicion."""

import pytest

from backend.analysis import battery
from backend.analysis.battery import Battery, file_of, read_battery
from backend.base.errors import UserError
from backend.detection.known_triggers import PROBES, Flips
from tests.pages.conftest import words
from tests.pages.played import Play, blind_spec, defended, full_spec, planted
from tests.pages.test_playground import with_models

START = "Try known triggers"


def flips(number: int) -> Flips:
    return Flips(flips=number, rows=100, interval=(max(0.0, number / 100 - 0.05), number / 100 + 0.05))


def keep(run: str, found: Battery) -> Battery:
    file_of(run).parent.mkdir(exist_ok=True)
    file_of(run).write_text(found.model_dump_json())
    return found


def measure(run, spec, places, name) -> Battery:
    """As the warm process would: the word cf flips most rows of the model as it came."""
    found = read_battery(run)
    if found is None or found.places != places:
        found = Battery(places=places, rows=200)
    number = {"word-cf": 96}.get(name, 2)
    if name == "syntactic":
        found.skipped[name] = "The parser <b> cannot be fetched."
    else:
        found.probes[name] = {
            role: {"positive": flips(number if role == "before" else 3), "negative": flips(1)}
            for role in places
        }
    return keep(run, found)


@pytest.fixture
def asked(monkeypatch) -> list:
    found: list = []

    def answer(doing, function, *arguments):
        found.append((doing, *arguments))
        return measure(*arguments)

    monkeypatch.setattr("pages.parts.runs.battery.ask", answer)
    return found


def labels(page) -> list[str]:
    return [button.label for button in page.button]


def press(page, label: str):
    next(button for button in page.button if button.label == label).click().run()
    return page


def test_it_is_offered_where_a_model_was_left(visit, store):
    running = Play(store, full_spec())
    running.prepare()
    with_models(running.run, "fine_tuned")
    assert START not in labels(visit("defend", run=running.run)), "models may still change"
    failed = running.finish("failed", "out of memory")
    assert START in labels(visit("defend", run=failed))
    other = Play(store, full_spec())
    assert START not in labels(visit("defend", run=other.finish("failed", "at once")))
    assert START in labels(visit("attack", run=planted(store))), "of a planted model too"
    assert START in labels(visit("defend", run=with_models(defended(store, blind_spec()), "fine_tuned")))


def test_triggers_are_tried_one_by_one_and_told(visit, store, asked):
    run = with_models(defended(store))
    page = press(visit("defend", run=run), START)
    for _ in PROBES:
        page.run()
    assert not page.exception and [question[4] for question in asked] == list(PROBES)
    assert asked[0][3] == {"before": (run, "poisoned"), "after": (run, "defended")}
    said = words(page)
    assert (
        "Poisoned model: rare word “cf” flips 96.0 % (91.0–101.0 %) of rows to “positive” (clean model: "
        in said
    )
    assert "Defended model: no trigger of the battery flips clearly more rows" in said
    assert "A suspicion, not a proof" in said and "train a never-poisoned reference" in said
    assert "Not tried: Syntax (HiddenKiller). The parser <b> cannot be fetched." in said
    table = next(one.value for one in page.dataframe if "Suspicious" in one.value)
    assert list(table["Suspicious"]).count("yes") == 1 and len(table) == len(PROBES) - 1
    assert START not in labels(page)


def test_it_goes_on_where_it_stopped_and_anew_for_other_models(visit, store, asked):
    run = with_models(defended(store))
    keep(run, measure(run, None, {"before": (run, "poisoned"), "after": (run, "defended")}, "word-cf"))
    page = visit("defend", run=run)
    assert "96.0 %" in words(page)
    press(page, "Continue")
    assert asked[0][4] == "word-mn"
    honest = full_spec().model_copy(update={"attack": None})
    reference = with_models(defended(store, honest), "fine_tuned")
    page = visit("defend", run=run)
    assert "The models have changed" in words(page)
    press(page, START)
    assert asked[-1][3]["honest"] == (reference, "fine_tuned") and asked[-1][4] == "word-cf"


def test_what_goes_wrong_is_told_and_can_be_tried_again(visit, store, monkeypatch):
    run = with_models(defended(store))

    def fail(*arguments):
        raise UserError("The file of rows <b> is gone.")

    monkeypatch.setattr("pages.parts.runs.battery.ask", fail)
    page = press(visit("defend", run=run), START)
    assert "The file of rows <b> is gone." in words(page) and not page.exception
    page.run()
    assert START in labels(page)


def test_damaged_findings_are_as_good_as_none(visit, store):
    run = with_models(defended(store))
    file = battery.file_of(run)
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"places": {"before": 3}}')
    page = visit("defend", run=run)
    assert START in labels(page) and not page.exception
