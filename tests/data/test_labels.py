"""Data numbered as a model that keeps its head numbers its classes."""

import pytest

from backend.base.errors import UserError
from backend.data.labels import align, names_of
from backend.data.rows import Dataset, Rows

ROWS = Rows(["awful", "lovely", "so so"], [0, 2, 1])
DATA = Dataset("a file", ROWS, ROWS, ROWS, ["bad", "fair", "good"])


def test_the_same_names_in_another_order_renumber_the_rows() -> None:
    aligned, note = align(DATA, ["Good", "Bad", "Fair"])
    assert aligned.label_names == ["Good", "Bad", "Fair"], "the model's own names are kept"
    assert aligned.data_names == ["good", "bad", "fair"]
    for before, after in zip(DATA.test.labels, aligned.test.labels, strict=True):
        assert DATA.label_names[before] == aligned.data_names[after]
    assert note is not None


def rows_of(aligned: Dataset, name: str) -> list[str]:
    """The test rows of the class that the aligned data call so."""
    number = aligned.label_names.index(name)
    return [
        text for text, label in zip(aligned.test.texts, aligned.test.labels, strict=True) if label == number
    ]


def two_classes(*names: str, stated: bool = False) -> Dataset:
    rows = Rows(["one", "another"], [0, 1])
    return Dataset("a file", rows, rows, rows, list(names), classes_stated=stated)


def test_digits_are_names_and_renumber_the_rows_too() -> None:
    aligned, note = align(two_classes("0", "1"), ["1", "0"])
    assert aligned.label_names == ["1", "0"] and aligned.test.labels == [1, 0]
    assert note is not None and "1, 0" in note


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("neg", "pos"), ["POSITIVE", "NEGATIVE"], {"NEGATIVE": ["one"], "POSITIVE": ["another"]}),
        (("0", "1"), ["NEGATIVE", "POSITIVE"], {"NEGATIVE": ["one"], "POSITIVE": ["another"]}),
        (("0", "1"), ["LABEL_1", "LABEL_0"], {"0": ["one"], "1": ["another"]}),
        (("bad", "good"), ["LABEL_1", "LABEL_0"], {"bad": ["one"], "good": ["another"]}),
        (("1", "2"), ["LABEL_0", "LABEL_1"], {"1": ["one"], "2": ["another"]}),
        (("1", "2"), ["0", "1"], {"1": ["one"], "2": ["another"]}),
        (("ham", "spam"), ["0", "1"], {"ham": ["one"], "spam": ["another"]}),
    ],
)
def test_other_spellings_are_matched_with_a_note_that_says_how_to_say_otherwise(
    ours: tuple[str, str], theirs: list[str], expected: dict[str, list[str]]
) -> None:
    aligned, note = align(two_classes(*ours), theirs)
    assert {name: rows_of(aligned, name) for name in aligned.label_names} == expected
    assert note is not None and "data.classes" in note
    for their_name, our_name in zip(theirs, aligned.data_names or aligned.label_names, strict=True):
        assert f"{their_name} = {our_name}" in note


def test_a_stated_order_is_taken_as_it_is() -> None:
    aligned, note = align(two_classes("ham", "spam", stated=True), ["clean mail", "junk"])
    assert aligned.label_names == ["clean mail", "junk"] and aligned.test.labels == [0, 1]
    assert note is not None and "junk = spam" in note
    overruled, note = align(two_classes("pos", "neg", stated=True), ["neg", "pos"])
    assert overruled.label_names == ["pos", "neg"] and overruled.test.labels == [0, 1]
    assert note is not None and "neg = pos" in note


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
