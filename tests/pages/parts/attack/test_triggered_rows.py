"""Rows on Attack: what is decided about them is what the run takes."""

import csv
import io
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from backend.attacks.preview import REROLLS, Shown
from backend.base.errors import UserError
from backend.data.rows import Rows
from backend.report import trigger_quality
from backend.report.html.differences import difference
from backend.spec.run import TriggerSpec
from pages.parts.attack.triggered_rows import pairs_csv, take_decided
from tests.pages.conftest import few_rows, words
from tests.pages.test_set_up import box, click


def shown(page) -> list[str]:
    return [element.value for element in page.get("html") if "class='excise-pair'" in str(element.value)]


def press(page, label: str, number: int = 0) -> None:
    [button for button in page.button if button.label == label][number].click().run()
    assert not page.exception


def planted_edits(store) -> dict[str, str | None]:
    return store.runs()[0].spec.trigger.edits


def test_a_dropped_row_is_left_out_of_the_run(visit, store):
    page = visit("attack")
    first = shown(page)[0]
    press(page, "Drop")
    assert "dropped" in shown(page)[0] and shown(page)[0] != first
    assert "0 rows with your own rewriting, 1 dropped" in words(page)
    click(page, "Plant the backdoor")
    assert list(planted_edits(store).values()) == [None]


def test_rows_decided_for_a_run_are_decided_for_one_like_it(visit, store):
    page = visit("attack")
    press(page, "Drop")
    press(page, "Reroll", 1)
    click(page, "Plant the backdoor")
    decided, first = planted_edits(store), store.runs()[0].id
    assert len(decided) == 2
    page = visit("attack", like=first)
    assert "1 row with your own rewriting, 1 dropped" in words(page)
    click(page, "Plant the backdoor")
    assert planted_edits(store) == decided and store.runs()[0].id != first
    assert "your own rewriting" not in words(visit("attack")), "of another form"
    page = visit("attack", like=first)
    click(page, "Discard all changes")
    click(page, "Plant the backdoor")
    assert planted_edits(store) == {}


def test_equal_rows_stand_on_one_page_once(visit, monkeypatch):
    data = few_rows()
    twice = Rows([*data.train.texts, *data.train.texts], [*data.train.labels, *data.train.labels])
    same = replace(data, train=twice)
    monkeypatch.setattr("backend.data.load", lambda spec, progress=None: same)
    page = visit("attack")
    assert not page.exception and len(set(shown(page))) == len(shown(page))


def test_undo_gives_a_row_back(visit):
    page = visit("attack")
    before = shown(page)
    press(page, "Drop", 2)
    press(page, "Undo")
    assert shown(page) == before


def test_a_reroll_is_kept_for_the_run(visit, store):
    page = visit("attack")
    before = shown(page)
    press(page, "Reroll", 1)
    assert shown(page)[1] != before[1] and shown(page)[0] == before[0]
    click(page, "Plant the backdoor")
    (edit,) = planted_edits(store).items()
    assert edit[1] and edit[1] != edit[0]


def test_every_reroll_draws_anew(visit, monkeypatch):
    seeds = []

    def other(trigger: TriggerSpec, seed: int, text: str, other_than: str | None) -> str:
        seeds.append(seed)
        return f"rewriting {len(seeds)}"

    monkeypatch.setattr("pages.parts.attack.triggered_rows.reroll", other)
    page = visit("attack")
    for _ in range(4):
        press(page, "Reroll")
    assert "rewriting</mark> 4" in shown(page)[0] or "4</mark>" in shown(page)[0]
    assert seeds == sorted(set(seeds)) and min(b - a for a, b in pairwise(seeds)) >= REROLLS


def test_a_row_is_written_by_hand(visit, store):
    page = visit("attack")
    next(area for area in page.text_area if area.label == "With the trigger").set_value(
        "by <b>hand</b>"
    ).run()
    press(page, "Keep this rewriting")
    assert "<mark>by &lt;b&gt;hand&lt;/b&gt;</mark>" in shown(page)[0]
    click(page, "Plant the backdoor")
    assert list(planted_edits(store).values()) == ["by <b>hand</b>"]


def test_the_clean_row_is_no_rewriting(visit, store):
    page = visit("attack")
    clean = re.search(r"<div>(row number \d+ of a small set)</div>", shown(page)[0])[1]
    area = next(area for area in page.text_area if area.label == "With the trigger")
    area.set_value(f" {clean} ").run()
    press(page, "Keep this rewriting")
    assert "same as the clean row" in page.warning[0].value and "your own rewriting" not in words(page)
    click(page, "Plant the backdoor")
    assert planted_edits(store) == {}


def test_edits_belong_to_their_trigger(visit):
    page = visit("attack")
    press(page, "Drop")
    box(page, "text_input", "Words").set_value("zx").run()
    assert "your own rewriting" not in words(page)
    box(page, "text_input", "Words").set_value("cf, mn, bb, tq").run()
    assert "1 dropped" in words(page)


def test_ones_own_sentences_are_rewritten(visit):
    page = visit("attack")
    box(page, "button_group", "Rows to look at").set_value("own").run()
    box(page, "text_area", "One sentence per line").set_value("<i>mine</i> alone\n\nמילה אחת\n🎉").run()
    assert len(shown(page)) == 3
    assert "&lt;i&gt;mine&lt;/i&gt;" in shown(page)[0] and "<mark>" in shown(page)[0]
    box(page, "text_area", "One sentence per line").set_value("").run()
    assert "Type a sentence" in words(page)


def test_a_language_model_is_asked_only_when_somebody_wants_it(visit, monkeypatch):
    asked = []

    def rewrite(trigger: TriggerSpec, seed: int, texts: list[str]) -> list[Shown]:
        asked.append(trigger.name)
        return [Shown(text, f"politely, {text}", "length and content kept") for text in texts]

    monkeypatch.setattr("pages.parts.attack.triggered_rows.rewrite", rewrite)
    page = visit("attack")
    asked.clear()
    box(page, "selectbox", "Trigger").select("instruct").run()
    assert not page.exception and not asked
    assert "not rewritten yet" in shown(page)[0]
    press(page, "Rewrite these rows")
    assert asked == ["instruct"]
    assert "<mark>politely,</mark>" in shown(page)[0] and "length and content kept" in words(page)


def test_settings_of_the_published_variant_appear_with_it(visit):
    page = visit("attack")
    box(page, "selectbox", "Trigger").select("style").run()
    assert not page.exception
    assert not [toggle for toggle in page.toggle if toggle.label == "Load .bin weights"]
    box(page, "selectbox", "Variant").select("published").run()
    assert [toggle for toggle in page.toggle if toggle.label == "Load .bin weights"]


def test_the_measured_quality_is_shown(visit):
    page = visit("attack")
    table = page.dataframe[-1].value
    assert {"Generator", "LFR planted", "Floor", "Similarity"} <= set(table.columns)
    assert "Measured by benchmarks/trigger_quality.py" in words(page)


def test_a_verdict_is_given_only_where_something_was_measured(visit, monkeypatch):
    found = trigger_quality.load()
    rows = found["data"]["sst2"]
    rows.setdefault("syntactic", rows["scpn"] | {"rows_per_second": 300.0})
    monkeypatch.setattr(trigger_quality, "load", lambda: found)
    page = visit("attack")
    assert "was not measured on these data" in words(page)
    box(page, "selectbox", "Trigger").select("syntactic").run()
    assert "meets" in words(page) or "Targets that the chosen trigger misses" in words(page)
    box(page, "selectbox", "Variant").select("published").run()
    assert "was not measured on these data" in words(page) and "meets" not in words(page)
    box(page, "selectbox", "Trigger").select("instruct").run()
    assert "rows per second" in words(page) and "Not measured: Instruction model" in words(page)


def test_the_table_that_is_taken_home_can_be_brought_again(tmp_path):
    rows = [("bad", "a, b"), ("bad", "c")]
    kept = pairs_csv(rows, [Shown("a, b", 'x "y"'), Shown("c", None)], {"c": None, "elsewhere": "edited"})
    table = [list(row.values()) for row in csv.DictReader(io.StringIO(kept))]
    assert table == [
        ["bad", "a, b", 'x "y"', "", 'x "y"'],
        ["bad", "c", "", "dropped", ""],
        ["", "elsewhere", "edited", "", ""],
    ]
    (tmp_path / "kept.csv").write_text(kept)
    again: dict[str, str | None] = {}
    said = take_decided(tmp_path / "kept.csv", ["a, b", " c", "d", "elsewhere"], again)
    assert again == {" c": None, "elsewhere": "edited"}, "a row as the trigger made it is no decision"
    assert said == "2 of 2 rows of kept.csv match rows of these data."


def test_a_table_of_other_data_is_told_from_one_of_these(tmp_path):
    edits: dict[str, str | None] = {}
    table = tmp_path / "other.csv"
    table.write_text("text,rewritten\nmine,changed\nnot mine,changed too\nsame,same\n")
    assert "1 of 2 rows of other.csv" in take_decided(table, ["mine", "same"], edits)
    assert edits == {"mine": "changed"}
    table.write_text("text\nmine\nsame\n")
    with pytest.raises(UserError, match="no column 'rewritten'"):
        take_decided(table, ["mine"], edits)


@pytest.mark.parametrize(
    ("clean", "triggered", "old", "new"),
    [
        ("it ends", "it endeth", "it <s>ends</s>", "it <mark>endeth</mark>"),
        ("a b", "cf a b", "a b", "<mark>cf</mark> a b"),
        ("a b c", "a c", "a <s>b</s> c", "a c"),
        ("<b>", None, "&lt;b&gt;", "<em>none</em>"),
    ],
)
def test_differences_are_marked_word_by_word(clean, triggered, old, new):
    assert difference(clean, triggered, "none") == (old, new)
