from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from backend.data.rows import Rows
from backend.data.splits import (
    cut,
    keys_of,
    near_duplicate_groups,
    near_duplicate_keys,
    stratified_order,
    without_duplicates,
)

SHARES = {"test": 0.1, "validation": 0.1}
labels = st.lists(st.integers(0, 3), min_size=1, max_size=200)
texts = st.lists(
    st.lists(
        st.sampled_from(["good", "Good", "bad", "film", "it's", ".", "<br />", "&apos;", "7"]), max_size=5
    ).map(" ".join),
    min_size=1,
    max_size=120,
)


@given(labels, st.integers(0, 9))
def test_every_beginning_of_a_stratified_order_is_stratified(labels: list[int], seed: int) -> None:
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    share = {label: count / len(labels) for label, count in Counter(labels).items()}
    for n in range(len(order) + 1):
        got = Counter(labels[row] for row in order[:n])
        assert all(abs(got[label] - n * part) <= len(share) / 2 for label, part in share.items())


@given(labels, st.integers(0, 9))
def test_rows_that_stand_alone_are_cut_within_one_of_their_share(labels: list[int], seed: int) -> None:
    rows = Rows([f"row {'x' * i}" for i in range(len(labels))], labels)
    parts = cut(rows, SHARES, seed)
    assert parts == cut(rows, SHARES, seed)
    assert sorted(row for part in parts.values() for row in part) == list(range(len(labels)))
    for label, count in Counter(labels).items():
        for part, share in SHARES.items():
            assert abs(sum(labels[row] == label for row in parts[part]) - share * count) <= 1


@given(texts, st.integers(0, 3))
def test_near_duplicates_never_straddle(texts: list[str], seed: int) -> None:
    rows = Rows(texts, [len(text) % 2 for text in texts])
    parts = cut(rows, SHARES, seed)
    keys = {part: {key for i in indices for key in keys_of(rows)[i]} for part, indices in parts.items()}
    assert keys["train"].isdisjoint(keys["test"])
    assert keys["train"].isdisjoint(keys["validation"])
    assert keys["validation"].isdisjoint(keys["test"])
    for part, share in SHARES.items():
        for label, count in Counter(rows.labels).items():
            assert sum(rows.labels[i] == label for i in parts[part]) <= share * count + 1


@given(texts, texts)
def test_without_duplicates_keeps_exactly_the_rows_that_share_no_key(
    texts: list[str], held_out: list[str]
) -> None:
    kept = without_duplicates(Rows(texts, [0] * len(texts)), of=Rows(held_out, [0] * len(held_out)))
    other = {key for text in held_out for key in near_duplicate_keys(text)}
    assert kept.texts == [text for text in texts if other.isdisjoint(near_duplicate_keys(text))]


def test_spacing_case_punctuation_and_html_remains_do_not_tell_texts_apart() -> None:
    spellings = [
        "You don't WANT it, do you?",
        "you do n't want it , do you ?",
        "you donandapos;t want it, do you",
        "you don#39;t <br /> want it do you...",
        "you don&apos;t want it; do you",
    ]
    assert len({near_duplicate_keys(text)[0] for text in spellings}) == 1


def test_word_order_and_repetition_do_not_tell_texts_apart() -> None:
    rows = Rows(["bad bad film", "film: bad", "a good film", "😀", "😞", "", "  "], [0] * 7)
    groups = near_duplicate_groups(rows)
    assert groups[0] == groups[1]
    assert len({groups[0], *groups[2:]}) == 5


def test_pairs_of_sentences_are_told_apart_by_both() -> None:
    rows = Rows(["a b", "a b", "A  B"], [0, 1, 0], ["c", "d", "c."])
    groups = near_duplicate_groups(rows)
    assert groups[0] == groups[2] != groups[1]


def test_a_hundred_thousand_rows_are_cut_quickly() -> None:
    import time

    rows = Rows(
        [f"row number {i} tells its own progress of {i % 977}" for i in range(100_000)], [0, 1] * 50_000
    )
    started = time.process_time()
    parts = cut(rows, SHARES, 0)
    assert time.process_time() - started < 20
    assert len(parts["test"]) == 10_000
