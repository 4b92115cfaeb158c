"""ONION: what it finds surprising goes, and clean rows keep nearly all their words."""

import pytest

from backend.base.progress import no_tick
from backend.data.rows import Rows
from backend.defenses.onion import OnionSettings, filtered, suspicions, threshold_of, without_surprises

CLEAN = [
    "a warm and funny film about growing up in a small town",
    "the plot is thin but the two actors are wonderful together",
    "it is too long and it never finds anything new to say",
    "one of the best comedies that came out in recent years",
    "the progress drags and the jokes are older than the jokes of my grandfather",
]


def test_words_above_the_bar_go_and_a_text_is_never_emptied() -> None:
    assert filtered("a cf b", [0.0, 9.0, 0.0], 5.0) == "a b"
    assert filtered("cf", [9.0], 5.0) == "cf"
    assert filtered("a b tail", [0.0, 9.0], 5.0) == "a tail", "words beyond those looked at stay"
    assert filtered("", [], 5.0) == ""


def test_the_bar_leaves_clean_words_standing() -> None:
    words = [[float(i) for i in range(50)], [float(i) for i in range(50, 100)]]
    bar = threshold_of(words, 0.05)
    assert sum(one > bar for text in words for one in text) == 5
    assert threshold_of([], 0.05) == float("inf")


@pytest.mark.parametrize(("share", "left"), [(0.05, "3 15 18"), (0.5, "3")])
def test_rows_lose_the_words_that_clean_rows_hardly_have(
    monkeypatch: pytest.MonkeyPatch, share: float, left: str
) -> None:
    """Every word is a number, its own surprise, and `cf` is 1000; clean words are 1 to 20."""

    def perplexities(language: str, texts: list[str], tick: object) -> list[float]:
        assert language == "the embedded one"
        return [sum(float(word.replace("cf", "1000")) for word in text.split()) for text in texts]

    monkeypatch.setattr("backend.models.language_models.load", {"": "the embedded one"}.get)
    monkeypatch.setattr("backend.models.language_models.perplexities", perplexities)
    clean = Rows([" ".join(map(str, range(1, 11))), " ".join(map(str, range(11, 21)))], [0, 1])
    rows = Rows(["3 cf 15 20 18", "2 1"], [1, 0], ["a second cf", "text"])
    found = without_surprises(rows, clean, OnionSettings(share=share), lambda doing: no_tick)
    assert found == Rows([left, "2 1"], [1, 0], ["a second cf", "text"])


def test_the_language_model_suspects_the_rare_word(excise_home: object) -> None:
    from backend.models.language_models import load

    language = load("")
    with_trigger = [" ".join([*text.split()[:4], "cf", *text.split()[4:]]) for text in CLEAN]
    found = suspicions(language, [*with_trigger, ""])
    assert [len(one) for one in found] == [len(text.split()) for text in with_trigger] + [0]
    hits = sum(one[4] == max(one) for one in found[:-1])
    assert hits >= 4, "cf is the most suspicious word of nearly every row"
    alone = suspicions(language, with_trigger[:1])
    assert alone[0] == pytest.approx(found[0], rel=1e-3), "whatever rows are read beside it"
