"""Which column is the text and which the label: named, plainly the only one, or asked about."""

import pytest

from backend.base.errors import UserError
from backend.data.columns import choose_columns, flagged_rows
from backend.data.tables import Table

TEXTS = [f"the film number {i} was rather long" for i in range(40)]
CLASSES = [str(i % 4) for i in range(40)]
FLAGS = [str(int(i % 10 == 0)) for i in range(40)]
INDEX = [str(i) for i in range(40)]


def chosen(table: Table) -> tuple[str, str, str | None]:
    columns, _ = choose_columns(table, "The data")
    return columns.text, columns.label, columns.second_text


def asked(table: Table) -> str:
    with pytest.raises(UserError) as caught:
        choose_columns(table, "The data")
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("#1 String", "#2 String"),
        ("sentence_1", "Sentence_2"),
        ("premise", "hypothesis"),
        ("text a", "text b"),
    ],
)
def test_pairs_are_known_by_their_names(first: str, second: str) -> None:
    table = {"Quality": FLAGS, "#1 ID": INDEX, "#2 ID": INDEX, first: TEXTS, second: TEXTS[::-1]}
    assert chosen(table) == (first, "Quality", second)


@pytest.mark.parametrize("flag", ["poison_label", "poisoned", "is_poison", "Is-Poisoned", "backdoor"])
def test_a_poison_flag_is_never_the_label_and_is_told(flag: str) -> None:
    columns, notes = choose_columns({"text": TEXTS, "kind": CLASSES, flag: FLAGS}, "The data")
    assert (columns.label, columns.poison_flag) == ("kind", flag)
    assert any(flag in note and "4 of 40 rows" in note for note in notes)
    assert "no label column" in asked({"text": TEXTS, flag: FLAGS})
    columns, _ = choose_columns({"text": TEXTS, "kind": CLASSES, flag: FLAGS}, "The data", label=flag)
    assert columns.label == flag, "unless it is asked for by name"


@pytest.mark.parametrize("index", [{}, {"": INDEX}, {"Unnamed: 0": INDEX}])
def test_openbackdoors_columns_without_names_are_known_by_their_order(index: Table) -> None:
    columns, notes = choose_columns({**index, "0": TEXTS, "1": CLASSES, "2": FLAGS}, "The data")
    assert (columns.text, columns.label, columns.poison_flag) == ("0", "1", "2")
    assert "Label column guessed: 1." in notes


@pytest.mark.parametrize("name", ["index", "idx", "", "Unnamed: 0", "number"])
def test_an_index_is_never_the_label(name: str) -> None:
    assert chosen({name: INDEX[:3], "words": TEXTS[:3], "kind": ["a", "b", "b"]}) == ("words", "kind", None)
    assert "no label column" in asked({name: INDEX, "sentence": TEXTS})


def test_a_file_without_a_label_column_says_just_that_and_lists_what_it_has() -> None:
    message = asked({"index": INDEX, "sentence": TEXTS})
    assert "no label column" in message and "data.label" in message
    assert (
        "index (40 different: 0, 1, 2)" in message and "sentence (40 different: the film number 0" in message
    )


def test_two_columns_that_could_each_be_the_label_are_asked_about() -> None:
    message = asked({"words": TEXTS, "source": ["web", "book"] * 20, "grade": CLASSES})
    assert "source and grade could each be the label" in message and "data.label" in message
    assert "grade (4 different: 0, 1, 2)" in message


def test_two_columns_that_could_each_be_the_text_are_asked_about() -> None:
    message = asked({"said": TEXTS, "answered": TEXTS[::-1], "label": CLASSES})
    assert "said and answered could each be the text" in message and "data.text" in message
    titles = [f"film {i}" for i in range(40)]
    assert chosen({"title": titles, "words": TEXTS, "label": CLASSES})[0] == "words", "far longer"


@pytest.mark.parametrize(
    "column",
    [
        pytest.param([f"{i / 7:.2f}" for i in range(40)], id="decimals"),
        pytest.param([f"name {i}" for i in range(40)], id="nearly as many values as rows"),
        pytest.param(["same"] * 40, id="one value"),
        pytest.param([["a", "b"][i % 2 :] for i in range(40)], id="lists"),
        pytest.param(TEXTS[:2] * 20, id="sentences"),
    ],
)
def test_what_cannot_be_classes_is_not_asked_about(column: list[object]) -> None:
    assert chosen({"text": TEXTS, "other": column, "kind": CLASSES})[1] == "kind"


def test_labels_of_a_file_sorted_by_class_are_seen() -> None:
    many = [f"the film number {i} was rather long" for i in range(3000)]
    assert chosen({"words": many, "kind": ["a"] * 1500 + ["b"] * 1500})[1] == "kind"


def test_which_rows_a_flag_marks() -> None:
    assert flagged_rows(["1", "0", 1.0, None, "True", False]) == [True, False, True, False, True, False]
