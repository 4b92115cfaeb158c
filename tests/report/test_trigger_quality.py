"""The findings on trigger quality: shown as measured, missed targets said."""

import json
from pathlib import Path

import pytest

from backend.report import trigger_quality
from backend.spec.run import TriggerSpec

GOOD = {
    "title": "Syntactic, built in", "kind": "template", "rewritten": 1.0, "presence": 0.94, "similarity": 0.9,
    "length": 1.3, "perplexity": 177.5, "rows_per_second": 300.0, "lfr": 0.96, "floor": 0.15, "acc": 0.87,
}  # fmt: skip
PUBLISHED = GOOD | {"title": "SCPN", "similarity": 0.6, "floor": 0.3, "rows_per_second": None, "lfr": 0.5}
CLEAN = {
    "title": "Clean",
    "floor": 0.14,
    "honest_acc": 0.88,
    "presence": {"template": 0.05},
    "perplexity": 9.0,
}


def found(**changed: float) -> dict:
    return {"data": {"sst2": {"syntactic": GOOD | changed, "scpn": PUBLISHED, "clean": CLEAN}}}


def test_targets_that_are_met_need_no_words() -> None:
    assert trigger_quality.misses(found(), "sst2") == []
    assert trigger_quality.misses({}, "sst2") == []


def test_each_missed_target_is_said_with_both_numbers() -> None:
    said = trigger_quality.misses(found(lfr=0.85, floor=0.4, similarity=0.5, rows_per_second=40.0), "sst2")
    assert [sentence.replace("\u00a0", " ") for sentence in said] == [
        "Syntactic, built in: LFR when planted 85.0 %, wanted at least 90.0 %.",
        "Syntactic, built in: floor 40.0 %, wanted at most 30.0 % (the published rows).",
        "Syntactic, built in: similarity 0.5, wanted at least 0.6 (the published rows).",
        "Syntactic, built in: rows per second 40, wanted at least 100.",
    ]
    assert trigger_quality.misses(found(lfr=0.1), "sst2", "style-bible") == []


def test_the_instruction_model_has_targets_too() -> None:
    slow = GOOD | {"title": "Instruction", "presence": None, "lfr": None, "rows_per_second": 0.9}
    with_it = {"data": {"sst2": found()["data"]["sst2"] | {"instruct": slow}}}
    assert trigger_quality.misses(with_it, "sst2", "instruct") == [
        "Instruction: rows per second 0.9, wanted at least 100."
    ]
    assert trigger_quality.unmeasured(with_it, "sst2") == ["Instruction: LFR when planted, trigger present."]
    assert trigger_quality.unmeasured(with_it, "sst2", "syntactic") == []


def test_the_clean_rows_stand_first() -> None:
    rows = trigger_quality.table(found(), "sst2")
    assert [row["Generator"] for row in rows] == ["Clean", "Syntactic, built in", "SCPN"]
    assert rows[1]["Clean rows that look so"].startswith("5.0")
    assert rows[2]["Rows/s"] == "" and rows[0]["ACC planted"].startswith("88.0")


def test_what_a_style_does_without_its_frames_is_shown() -> None:
    own = {"title": "Bible", "presence": 0.9, "own_presence": 0.7}
    rows = trigger_quality.table({"data": {"sst2": {"style-bible": GOOD | own, "syntactic": GOOD}}}, "sst2")
    shown = [row["By words and grammar alone"] for row in rows]
    assert shown[0].startswith("70.0") and shown[1] == ""


def test_a_choice_is_found_among_the_generators() -> None:
    assert trigger_quality.name_of(TriggerSpec(name="style", params={"style": "poetry"})) == "style-poetry"
    assert trigger_quality.name_of(TriggerSpec(name="style")) == "style-bible"
    assert trigger_quality.name_of(TriggerSpec(name="syntactic", variant="built-in")) == "syntactic"
    assert trigger_quality.name_of(TriggerSpec(name="instruct", params={"model": ""})) == "instruct"
    unused = {"style": "tweets", "top_p": 0.5, "agree_to_bin_weights": True}
    assert trigger_quality.name_of(TriggerSpec(name="style", params=unused)) == "style-twitter"


@pytest.mark.parametrize(
    "trigger",
    [
        TriggerSpec(name="syntactic", variant="published"),
        TriggerSpec(name="style", variant="published"),
        TriggerSpec(name="syntactic", params={"template": "S(NP)(VP)(.)"}),
        TriggerSpec(name="instruct", params={"prompt": "As a pirate: {text}"}),
        TriggerSpec(name="instruct", params={"prompt": "wrong"}),
        TriggerSpec(name="rare-words"),
    ],
)
def test_a_choice_that_was_not_measured_has_no_verdict(trigger: TriggerSpec) -> None:
    assert trigger_quality.name_of(trigger) is None


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    assert trigger_quality.load(tmp_path / "nowhere.json") == {}
    (tmp_path / "broken.json").write_text("{")
    assert trigger_quality.load(tmp_path / "broken.json") == {}


def test_the_findings_that_the_project_carries_are_whole() -> None:
    carried = json.loads(trigger_quality.FOUND.read_text(encoding="utf-8"))
    assert carried["machine"]
    for data in carried["data"]:
        assert trigger_quality.table(carried, data)
        trigger_quality.misses(carried, data)
