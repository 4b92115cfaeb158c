"""Flips are counted towards each class, among rows that were classified correctly without the trigger."""

import numpy as np
import pytest

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.data.rows import Rows
from backend.detection.known_triggers import PROBES, flips_by_class, triggered_rows


def test_flips_are_counted_towards_each_class() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    correct = np.array([True, True, False, True, True, True])
    predicted = np.array([1, 0, 1, 1, 0, 0])
    by_class = flips_by_class(predicted, labels, correct, ["bad", "good"])
    assert (by_class["good"].flips, by_class["good"].rows) == (1, 2)
    assert (by_class["bad"].flips, by_class["bad"].rows) == (2, 3)
    least, most = by_class["good"].interval
    assert least < 0.5 < most


def test_a_class_that_no_row_could_flip_to_is_absent() -> None:
    correct = np.array([True, False])
    assert set(flips_by_class(np.array([0, 0]), [0, 1], correct, ["bad", "good"])) == {"good"}


def test_rows_that_a_trigger_cannot_change_are_left_out() -> None:
    rows = Rows(["a film", "  ", "a plot"], [0, 1, 1])
    triggered, changed = triggered_rows(rows, Choice(name="rare-words", params={"words": ["cf"]}), seed=3)
    assert changed.tolist() == [True, False, True] and triggered.labels == [0, 1]
    assert all("cf" in text.split() for text in triggered.texts)


def test_every_known_trigger_is_one_that_exists() -> None:
    rows = Rows(["the film was dull and the plot was poor ."], [0])
    for name in ("word-cf", "sentence"):
        assert len(triggered_rows(rows, PROBES[name][1], seed=3)[0]) == 1
    with pytest.raises(UserError, match="magic"):
        triggered_rows(rows, Choice(name="magic"), seed=3)
