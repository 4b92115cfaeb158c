"""Data numbered as a model that keeps its head numbers its classes."""

import pytest

from backend.base.errors import UserError
from backend.data.labels import align, names_of
from backend.data.rows import Dataset, Rows

ROWS = Rows(["awful", "lovely", "so so"], [0, 2, 1])
DATA = Dataset("a file", ROWS, ROWS, ROWS, ["bad", "fair", "good"])


def test_the_same_names_in_another_order_renumber_the_rows() -> None:
    aligned, note = align(DATA, ["Good", "Bad", "Fair"])
    assert aligned.label_names == ["good", "bad", "fair"]
    for before, after in zip(DATA.test.labels, aligned.test.labels, strict=True):
        assert DATA.label_names[before] == aligned.label_names[after]
    assert note is not None


def test_the_same_order_changes_nothing_and_nameless_classes_are_said_to_be_taken_in_order() -> None:
    assert align(DATA, ["bad", "fair", "good"]) == (DATA, None)
    aligned, note = align(DATA, ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert aligned is DATA and note is not None and "LABEL_2 = good" in note


@pytest.mark.parametrize("names", [["bad", "good"], ["World", "Sports", "Business"]])
def test_other_classes_are_refused(names: list[str]) -> None:
    with pytest.raises(UserError, match="fresh head"):
        align(DATA, names)


def test_class_names_come_in_the_order_of_their_numbers() -> None:
    assert names_of({"id2label": {"1": "b", "0": "a"}}) == ["a", "b"]
