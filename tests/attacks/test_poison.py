from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.attacks.poison import drawing_order, poison, resolve_target, triggered
from backend.attacks.triggers import Rewriter
from backend.base.components import Params, Trigger
from backend.base.errors import UserError
from backend.data.rows import Rows


def change_some(texts: Sequence[str], **_: Any) -> list[str | None]:
    return [f"cf {text}" if "even" in text else None if "none" in text else text + " " for text in texts]


SOME = Rewriter(Trigger("some", "Some rows", "", Params, change_some), Params(), 0)


def made(labels: list[int], every: int) -> Rows:
    texts = [f"{'even' if i % every == 0 else ('none', 'same')[i % 2]} {i}" for i in range(len(labels))]
    return Rows(texts, labels)


@given(
    st.lists(st.integers(0, 2), min_size=4, max_size=80),
    st.integers(1, 4),
    st.floats(0.01, 1),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_the_protocol(labels: list[int], every: int, rate: float, seed: int) -> None:
    train = made(labels, every)
    non_target = [i for i, label in enumerate(labels) if label != 1]
    can = [i for i in non_target if "even" in train.texts[i]]
    wanted = round(rate * len(non_target))
    if not can or wanted == 0:
        with pytest.raises(UserError):
            poison(train, SOME, 1, rate, seed)
        return
    got = poison(train, SOME, 1, rate, seed)
    assert got == poison(train, SOME, 1, rate, seed)
    assert got.rows.texts[: len(train)] == train.texts
    assert got.rows.labels[: len(train)] == train.labels
    assert got.rows.texts[len(train) :] == got.added.texts
    assert len(got.added) == min(wanted, len(can))
    assert len(set(got.sources)) == len(got.sources)
    assert set(got.sources) <= set(can)
    assert got.added.texts == [f"cf {train.texts[i]}" for i in got.sources]
    assert set(got.added.labels) == {1}
    assert set(got.unchanged) <= set(non_target) - set(can)

    rows, unchanged = triggered(train, SOME, 1)
    assert rows.labels == [labels[i] for i in can]
    assert rows.texts == [f"cf {train.texts[i]}" for i in can]
    assert sorted([*can, *unchanged]) == non_target


def test_rows_are_drawn_with_the_seed() -> None:
    train = made([0] * 100, 1)
    assert poison(train, SOME, 1, 0.2, 0).sources != poison(train, SOME, 1, 0.2, 1).sources


def test_rows_are_drawn_in_a_known_order() -> None:
    train = made([0, 1] * 40, 1)
    assert poison(train, SOME, 1, 0.5, 7).sources == drawing_order(train, 1, 7)[:20]


def test_sentence_pairs_keep_their_second_texts() -> None:
    train = Rows(["even 0", "even 1", "even 2"], [0, 1, 0], ["x", "y", "z"])
    got = poison(train, SOME, 1, 1.0, 0)
    assert got.added.second_texts == [["x", "y", "z"][i] for i in got.sources]
    assert triggered(train, SOME, 1)[0].second_texts == ["x", "z"]


def test_a_trigger_that_changes_nothing_is_named() -> None:
    train = Rows(["none", "same"], [0, 0])
    for attempt in (lambda: poison(train, SOME, 1, 1.0, 0), lambda: triggered(train, SOME, 1)):
        with pytest.raises(UserError, match="“Some rows” changes none of the 2"):
            attempt()


def test_nothing_but_target_rows() -> None:
    with pytest.raises(UserError, match="nothing to trigger"):
        triggered(Rows(["even"], [1]), SOME, 1)


def test_a_poison_rate_of_no_row() -> None:
    with pytest.raises(UserError, match="gives no poisoned row"):
        poison(made([0] * 10, 1), SOME, 1, 0.01, 0)


@pytest.mark.parametrize(
    ("target", "number"), [(0, 0), (2, 2), ("good", 1), (" good ", 1), ("2", 2), ("0", 0)]
)
def test_the_target_is_a_number_or_a_name(target: int | str, number: int) -> None:
    assert resolve_target(target, ["bad", "good", "fair"]) == number


def test_classes_that_are_called_by_numbers() -> None:
    stars = ["1", "2", "3", "4"]
    assert [resolve_target(name, stars) for name in stars] == [0, 1, 2, 3]
    assert [resolve_target(number, stars) for number in range(4)] == [0, 1, 2, 3]
    assert resolve_target("0", stars) == 0
    with pytest.raises(UserError, match=r"There is no class 4.*in quotes: '4'"):
        resolve_target(4, stars)


def test_where_classes_are_called_by_their_numbers_in_another_order_a_number_is_a_name() -> None:
    assert resolve_target(1, ["1", "0"]) == resolve_target("1", ["1", "0"]) == 0
    assert resolve_target(1, ["0", "1"]) == 1
    assert resolve_target(1, ["POSITIVE", "NEGATIVE"], data_names=["1", "0"]) == 0


def test_the_datas_own_names_of_a_models_classes_are_taken_too() -> None:
    names, own = ["NEGATIVE", "POSITIVE"], ["neg", "pos"]
    assert [resolve_target(name, names, own) for name in ("POSITIVE", "pos", "positive", "1", 1)] == [1] * 5
    with pytest.raises(UserError, match="0 NEGATIVE, 1 POSITIVE"):
        resolve_target("good", names, own)


@pytest.mark.parametrize("target", [3, -1, "great", ""])
def test_a_target_that_is_no_class_is_refused(target: int | str) -> None:
    with pytest.raises(UserError, match="0 bad, 1 good, 2 fair"):
        resolve_target(target, ["bad", "good", "fair"])
