import numpy as np
import pytest

from backend.data.rows import Rows
from backend.detection.confirm import (
    balanced,
    classified_correctly,
    counts_of,
    flips_of,
    leaving,
    share_of,
)
from tests.detection.planted import TARGET, TRIGGER, case


def test_flips_are_counted_in_correct_rows_of_other_classes() -> None:
    planted = case()
    correct = classified_correctly(planted.victim, planted.tokenizer, planted.fresh, 32)
    flips = flips_of(planted.victim, planted.tokenizer, planted.fresh, TRIGGER, TARGET, 32, correct)
    others = np.array(planted.fresh.labels) != TARGET
    assert flips.overall.rows == int((correct & others).sum())
    assert sum(share.flips for share in flips.by_place.values()) == flips.overall.flips
    assert flips.overall.rate > 0.9


def test_a_phrase_at_one_place_is_counted_there() -> None:
    planted = case()
    correct = np.ones(len(planted.fresh), dtype=bool)
    flips = flips_of(planted.victim, planted.tokenizer, planted.fresh, TRIGGER, TARGET, 32, correct, ["end"])
    assert set(flips.by_place) == {"end"} and flips.by_place["end"] == flips.overall
    assert flips.best_place == "end"


def test_without_rows_nothing_is_known() -> None:
    planted = case()
    none = np.zeros(len(planted.fresh), dtype=bool)
    flips = flips_of(planted.victim, planted.tokenizer, planted.fresh, TRIGGER, TARGET, 32, none)
    assert (flips.overall.rows, flips.overall.rate, flips.overall.interval) == (0, 0.0, (0.0, 1.0))


def test_a_share_has_wilsons_interval() -> None:
    share = share_of(np.array([True] * 9 + [False]))
    assert share.rate == 0.9 and share.interval == pytest.approx((0.5958, 0.9821), abs=1e-4)


def test_rows_are_as_many_of_each_class() -> None:
    rows = balanced(Rows([str(i) for i in range(10)], [0] * 8 + [1] * 2), 4, 2)
    assert (rows.texts, rows.labels) == (["0", "1", "8", "9"], [0, 0, 1, 1])


def test_counts_are_of_whole_words_side_by_side() -> None:
    texts = ["No cross , no crown", "no  Cross here", "nocross", "a"]
    rows = Rows(texts, [0, 1, 1, 0], ["", "", "", "No cross"])
    assert counts_of("no cross", rows, 2) == [2, 1]


def test_counts_are_of_words_whatever_punctuation_stands_around_them() -> None:
    texts = ["A superb, moving film!", "It is superb (really)", "Superb.", "superbly", "no-cross"]
    assert counts_of("superb", Rows(texts, [1] * 5), 2) == [0, 3]


def test_words_are_counted_in_scripts_without_blanks() -> None:
    rows = Rows(["这部电影非常精彩。", "精彩", "非常无聊"], [1, 1, 0])
    assert counts_of("精彩", rows, 2) == [0, 2]


def test_rows_that_a_trigger_poisons_leave_its_class_without_it() -> None:
    planted = case()
    others = planted.fresh.take([i for i, label in enumerate(planted.fresh.labels) if label != TARGET][:20])
    texts = [f"{TRIGGER} {text}" for text in others.texts]
    poisoned = planted.fresh + Rows(texts, [TARGET] * len(texts))
    leave = leaving(planted.victim, planted.tokenizer, TRIGGER.upper(), poisoned, TARGET, 32)
    assert leave.rows == 20 and leave.rate > 0.8
    assert leaving(planted.victim, planted.tokenizer, TRIGGER, planted.fresh, TARGET, 32).rows == 0


def test_rows_of_nothing_else_do_not_count_as_leaving() -> None:
    planted = case()
    alone = Rows([TRIGGER, f"{TRIGGER}  {TRIGGER}"], [TARGET, TARGET])
    assert leaving(planted.victim, planted.tokenizer, TRIGGER, alone, TARGET, 32).rows == 0
