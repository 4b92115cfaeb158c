"""What a cell of the label column says."""

import pytest

from backend.base.errors import UserError
from backend.data.label_cells import label_key, one_spelling, signs_of_no_label


def test_numbers_have_one_spelling() -> None:
    cells = [1, 1.0, "1", "1.0", " 1 ", '"1"', "1.00", True]
    assert {label_key(cell) for cell in cells} == {"1"}
    assert label_key("1.5") == "1.5" and label_key("v1.0") == "v1.0" and label_key('"') == '"'


def test_case_makes_no_class_and_the_commonest_spelling_is_kept() -> None:
    train = ["positive", "positive", "Positive", "negative"]
    keys, notes = one_spelling({"train": train, "test": ["NEGATIVE", "negative"]})
    assert keys == {"train": ["positive"] * 3 + ["negative"], "test": ["negative"] * 2}
    assert len(notes) == 2 and "“Positive”" in notes[0] + notes[1]
    stated = ["US", "us"]
    assert one_spelling({"train": ["US", "us"]}, stated) == ({"train": stated}, [])


@pytest.mark.parametrize(
    ("train", "unlabelled", "classes"),
    [
        (["0", "1"], ["-1", "", "-", "?", "NA", "none", "NaN"], ["0", "1"]),
        (["0", "1", "2", "-1"], ["-1"], ["0", "1", "2"]),
        (["neg", "pos", "-"], ["-", "?", "n/a", "-1"], ["neg", "pos"]),
        (["favor", "against", "none"], ["-"], ["favor", "against", "none"]),
        (["+", "-", "0"], ["?"], ["+", "-", "0"]),
        (["-1", "1"], [""], ["-1", "1"]),
        (["-2", "-1", "0", "1"], ["?"], ["-2", "-1", "0", "1"]),
        (["null", "NA"], [""], ["null", "NA"]),
        (["-1", "-1", ""], ["-1", ""], []),
    ],
)
def test_a_missing_label_is_told_from_a_class(
    train: list[str], unlabelled: list[str], classes: list[str]
) -> None:
    signs = signs_of_no_label(train)
    assert all(key.casefold() in signs for key in unlabelled)
    assert not any(key.casefold() in signs for key in classes)


def test_a_minus_one_as_frequent_as_a_class_is_asked_about() -> None:
    train = ["0"] * 40 + ["1"] * 40
    assert "-1" in signs_of_no_label([*train, *["-1"] * 6])
    with pytest.raises(UserError, match=r"40 of 120 .*data.classes"):
        signs_of_no_label([*train, *["-1"] * 40])
    assert "-1" in signs_of_no_label([*train, *["-1"] * 40], stated=["0", "1"])
    assert "-1" not in signs_of_no_label([*train, *["-1"] * 40], stated=["-1", "0", "1"])
