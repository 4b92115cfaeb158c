"""What is said of the trigger battery: suspicions where the intervals carry them, and no more."""

import pytest

from backend.analysis.battery import Battery
from backend.detection.known_triggers import PROBES
from backend.findings import battery as rules
from backend.report import battery as found_by
from tests.findings.test_battery import flips, made


def said(battery: Battery) -> list[str]:
    return [sentence.replace("\u00a0", " ") for sentence in found_by.sentences(battery)]


def test_a_word_that_flips_rows_is_named_beside_the_honest_model() -> None:
    before, after = said(made(96, 5, 3))
    assert before == (
        "Poisoned model: rare word “cf” flips 96.0 % (90.2–98.4 %) of rows to “positive” "
        "(clean model: 3.0 %, 1.0–8.5 %)."
    )
    cells = found_by.texts(made(96, 5, 3))[0]
    assert cells["Poisoned"].replace("\u00a0", " ") == "96.0 % (90.2–98.4 %) positive"
    assert after.startswith(
        "Defended model: no trigger of the battery flips clearly more rows than in a clean model"
    )
    assert rules.is_suspicious(made(96, 5, 3)) and not rules.is_suspicious(made(15, 5, 3))
    assert "run other, never poisoned, on the same rows" in found_by.whose(made(96, 5, 3))


def test_few_rows_carry_no_suspicion() -> None:
    battery = made(96, 0, 3)
    battery.probes["word-cf"]["before"] = {"positive": flips(19, 19), "negative": flips(1)}
    assert not rules.is_suspicious(battery), "a class that the model hardly knows"
    for probe in battery.probes.values():
        probe["before"] = {"positive": flips(2, 2)}
    assert said(battery)[0] == (
        "Poisoned model: not judged, since it classifies fewer than 20 rows of any class correctly."
    )
    assert len(found_by.figure(battery).data[1].x) == len(PROBES)
    assert found_by.texts(battery)[0]["Poisoned"] == "–"


def test_without_a_reference_the_measured_honest_models_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    known = rules.CleanModels(about="a model, 3 seeds", probes={name: flips(9, 300) for name in PROBES})
    monkeypatch.setattr(rules, "clean_models", lambda: known)
    battery = made(96, 40, None)
    assert "(clean model: 3.0 %, " in said(battery)[0] and "flips 40.0 %" in said(battery)[1]
    assert "a model, 3 seeds" in found_by.whose(battery)
    row = found_by.table(battery)[0]
    assert (
        row["Never poisoned"] == 3.0 and row["Suspicious"] == "yes" and row["Poisoned: class"] == "positive"
    )
    assert [trace.name for trace in found_by.figure(battery).data] == [
        "Poisoned",
        "Defended",
        "Never poisoned",
    ]
    monkeypatch.setattr(rules, "clean_models", lambda: None)
    assert not rules.is_suspicious(battery) and said(battery)[0].endswith("the most of all.")
    assert "There is no clean model to compare with" in found_by.whose(battery)
    assert "Never poisoned" not in found_by.table(battery)[0] and len(found_by.figure(battery).data) == 2


def test_what_is_not_there_is_left_out() -> None:
    battery = made(96, 5, 3)
    del battery.places["before"]
    battery.probes["syntactic"] = {"before": {}, "after": {}, "honest": {}}
    assert len(said(battery)) == 1
    table = found_by.table(battery)
    assert table[6]["Defended"] is None and "Poisoned" not in table[0]
    figure = found_by.figure(battery)
    assert [trace.name for trace in figure.data] == ["Defended", "Never poisoned"]
    assert len(figure.data[0].x) == len(PROBES) - 1
