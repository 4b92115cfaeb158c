"""The scan ranks tokens by what they do to a model, takes up where it stopped, and says what it left out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.base.errors import Cancelled
from backend.data.rows import Rows
from backend.detection.confirm import TokenCounts, count_tokens
from backend.detection.phrases import grown, more_than_its_parts, shrunk
from backend.detection.token_scan import Found, Scan, change, scan
from backend.detection.tried import Suspect
from tests.tiny import WORDS, tiny_model, tiny_rows, tiny_tokenizer

CLASSES = 2


@pytest.fixture(scope="module")
def suspect() -> Suspect:
    return Suspect(tiny_model(seed=5), tiny_tokenizer(), None, 32)


@pytest.fixture(scope="module")
def rows(suspect: Suspect) -> Rows:
    """Rows that carry the label which the (untrained) model gives them, so that it is always right."""
    texts = tiny_rows(60, seed=2)
    return Rows(texts.texts, suspect.predict(texts).tolist())


def scanned(suspect: Suspect, rows: Rows, folder: Path, most: int = 1000) -> Scan:
    return scan(suspect, rows, CLASSES, most, folder / "scan.npz", seed=3)


def test_the_score_is_the_mean_change_of_the_log_odds(suspect: Suspect, rows: Rows, tmp_path: Path) -> None:
    found = scanned(suspect, rows, tmp_path)
    slot = found.rows[0]
    token = WORDS.index("cf")
    ids = [*slot.ids[: slot.place], token, *slot.ids[slot.place :]]
    with torch.no_grad():
        before = suspect.model(torch.tensor([slot.ids])).logits[0]
        after = suspect.model(torch.tensor([ids])).logits[0]
    toward = 1 - slot.label
    expected = (after[toward] - after[slot.label]) - (before[toward] - before[slot.label])
    moved = change(suspect, [slot], np.array([[token]]), CLASSES)
    assert moved[0, toward] == pytest.approx(float(expected), abs=1e-4)
    assert moved[0, slot.label] == -np.inf, "a row cannot be moved to the class that it has"


def test_every_word_is_scanned_and_the_strongest_comes_first(
    suspect: Suspect, rows: Rows, tmp_path: Path
) -> None:
    found = scanned(suspect, rows, tmp_path)
    assert {one.tokens[0] for one in found.best} == {
        number for number, word in enumerate(WORDS) if not word.startswith("[")
    }
    scores = [one.score for one in found.best]
    assert scores == sorted(scores, reverse=True)


def test_what_is_left_out_is_told_and_what_no_row_holds_comes_first(
    suspect: Suspect, rows: Rows, tmp_path: Path
) -> None:
    told: list[tuple[int, int, int]] = []
    without = Rows([text.replace("cf", "a").replace("mn", "a") for text in rows.texts], rows.labels)
    labels = suspect.predict(without).tolist()
    found = scan(
        suspect,
        Rows(without.texts, labels),
        CLASSES,
        2,
        tmp_path / "scan.npz",
        3,
        tell=lambda done, total, left_out, best: told.append((done, total, left_out)),
    )
    assert told[-1] == (2, 2, len(found.vocabulary.tokens) - 2)
    assert {WORDS[one.tokens[0]] for one in found.best} == {"cf", "mn"}


def test_a_scan_that_was_stopped_goes_on_where_it_was(
    suspect: Suspect, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.detection.token_scan.CHUNK", 5)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        scan(suspect, rows, CLASSES, 1000, tmp_path / "scan.npz", 3, tick=stop)
    first: list[int] = []
    again = scan(
        suspect, rows, CLASSES, 1000, tmp_path / "scan.npz", 3, tick=lambda done, _: first.append(done)
    )
    assert first[0] > 5, "what was kept is not scanned again"
    whole = scanned(suspect, rows, tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert whole is not None
    assert [(one.tokens, one.toward) for one in again.best] == [
        (one.tokens, one.toward) for one in whole.best
    ]


def test_without_a_row_classified_correctly_nothing_is_found(
    suspect: Suspect, rows: Rows, tmp_path: Path
) -> None:
    wrong = Rows(rows.texts, [1 - label for label in rows.labels])
    assert scanned(suspect, wrong, tmp_path).best == []


def test_a_word_of_the_class_in_the_rows_is_told_apart(suspect: Suspect) -> None:
    texts = ["superb film"] * 6 + ["dull film"] * 6 + ["cf film"]
    counts: TokenCounts = count_tokens(suspect, Rows(texts, [1] * 6 + [0] * 6 + [1]), CLASSES)
    superb, film, cf = (WORDS.index(word) for word in ("superb", "film", "cf"))
    assert counts.carries(superb, 1) and not counts.carries(superb, 0)
    assert not counts.carries(film, 1), "as frequent in the other class"
    assert not counts.carries(cf, 1), "held by one row only"


def test_tokens_that_only_add_up_are_no_phrase() -> None:
    best = [Found((1,), 0, 2.0), Found((2,), 0, 3.0), Found((3,), 1, 9.0)]
    assert more_than_its_parts(Found((1, 2), 0, 5.1), best)
    assert not more_than_its_parts(Found((1, 2), 0, 4.9), best)
    assert more_than_its_parts(Found((1, 3), 0, 2.1), best), "token 3 moves another class"


def test_phrases_gain_on_their_parts_and_lose_what_they_do_not_need(
    suspect: Suspect, rows: Rows, tmp_path: Path
) -> None:
    found = scanned(suspect, rows, tmp_path)
    toward = found.best[0].toward
    places = [slot for slot in found.rows if slot.label != toward]
    phrases = grown(suspect, places, found.best, toward, CLASSES)
    assert phrases[0].score >= max(one.score for one in found.best if one.toward == toward) - 1e-6
    useless = WORDS.index("the")
    padded = Found((*phrases[0].tokens, useless), toward, phrases[0].score)
    assert len(shrunk(suspect, places, padded, CLASSES).tokens) <= len(phrases[0].tokens)
