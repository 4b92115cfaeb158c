"""An insertion answers what the same text answers in the library, in every supported architecture."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.data.rows import Rows
from backend.detection.insertions import PLACES, Place, cut, gap_at, log_odds, logits, slots
from tests.tiny import CONFIGS, OTHER, tiny_model, tiny_rows, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PAIRS = Rows(["the film was good .", "a plot"], [1, 0], ["a dull plot", "it was bad"])


@pytest.mark.parametrize("kind", sorted(CONFIGS))
@pytest.mark.parametrize("place", PLACES)
def test_an_insertion_is_the_text_with_the_word_in_it(kind: str, place: Place) -> None:
    model = tiny_model(kind)
    (slot,) = slots(TOKENIZER, Rows(["the film was good ."], [1]), [place], "a", 40)
    words = ["cf", "bad", "tq"]
    got = logits(model, slot, np.array(TOKENIZER.convert_tokens_to_ids(words))[:, None])
    texts = {
        "start": "{} the film was good .",
        "middle": "the film was {} good .",
        "end": "the film was good . {}",
    }
    with torch.no_grad():
        batch = TOKENIZER(
            [texts[place].format(word) for word in words], return_tensors="pt", return_token_type_ids=False
        )
        expected = model(**batch).logits.numpy()
    assert np.abs(got - expected).max() < 1e-5


def test_an_unknown_architecture_takes_the_librarys_own_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    (slot,) = slots(TOKENIZER, Rows(["the film was good ."], [1]), ["end"], "a", 40)
    tokens = np.arange(4, 12)[:, None]
    fast = logits(model, slot, tokens)
    monkeypatch.setattr("backend.detection.insertions.ARCHITECTURES", {})
    assert np.abs(fast - logits(model, slot, tokens)).max() < 1e-5


def test_second_texts_stay_as_they_are() -> None:
    for slot, text, second in zip(
        slots(TOKENIZER, PAIRS, ["end"], "a", 40), PAIRS.texts, PAIRS.second_texts or [], strict=True
    ):
        ids, _ = slot.filled(np.array([[TOKENIZER.convert_tokens_to_ids("cf")]]))
        assert ids[0].tolist() == TOKENIZER(f"{text} cf", second)["input_ids"]


def test_a_place_that_is_cut_off_is_left_out() -> None:
    rows = Rows(["the film was very very very good .", "good"], [1, 1])
    assert [slot.label for slot in slots(TOKENIZER, rows, ["end"], "a", 5)] == [1]


def test_cutting_keeps_the_first_words() -> None:
    assert cut(tiny_rows(6), 2).texts == [" ".join(text.split()[:2]) for text in tiny_rows(6).texts]


@given(st.lists(st.sampled_from(OTHER), max_size=6), st.sampled_from(PLACES))
def test_every_text_has_every_place(words: list[str], place: Place) -> None:
    assert 0 <= gap_at(" ".join(words), place) <= len(" ".join(words))


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=5))
def test_log_odds_are_those_of_the_probabilities(values: list[float]) -> None:
    probabilities = np.exp(values) / np.exp(values).sum()
    odds = log_odds(np.array([values]))[0]
    others = np.array([probabilities.sum() - p for p in probabilities])
    expected = np.array(values) - [np.logaddexp.reduce(np.delete(values, i)) for i in range(len(values))]
    assert np.allclose(odds, expected)
    assert ((odds > 0) == (probabilities > others)).all() or np.isclose(probabilities, 0.5).any()


def test_places_lie_between_characters_where_words_have_no_blanks() -> None:
    text = "这部电影非常精彩。"
    assert [gap_at(text, place) for place in PLACES] == [0, 4, len(text)]
    assert cut(Rows([text], [1]), 4).texts == ["这部电影"]
