"""Confirm a find: on how many fresh rows does it change the prediction, at which places, and in a clean
model?"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.attacks.generators.gaps import is_without_blanks
from backend.attacks.generators.insertion import insert
from backend.base.events import Interval
from backend.base.intervals import wilson
from backend.data.rows import Rows
from backend.data.splits import WORD
from backend.data.tokens import encode
from backend.detection.insertions import PLACES, Place, gap_at
from backend.evaluation.evaluator import logits, predict

UNSURE = 0.1
"""The share of the rows of other classes that the model is least sure of."""


class Share(BaseModel):
    """Of `rows` rows of other classes that a model classified correctly it predicts the class for `flips`
    once the phrase stands in them; `interval` is Wilson's."""

    flips: int
    rows: int
    interval: Interval

    @property
    def rate(self) -> float:
        return self.flips / self.rows if self.rows else 0.0


def share_of(flipped: Bool[np.ndarray, "row"]) -> Share:
    """The share of rows that flipped; the interval of none is from 0 to 1."""
    flips, rows = int(flipped.sum()), len(flipped)
    return Share(flips=flips, rows=rows, interval=wilson(flips, rows) if rows else (0.0, 1.0))


class Flips(BaseModel):
    """What a phrase does in one model toward one class: over all rows, each of which has it at one place (the
    places in turn), and at each place alone."""

    overall: Share
    by_place: dict[Place, Share]

    @property
    def best_place(self) -> Place:
        """The place where it flips most."""
        return max(self.by_place, key=lambda place: self.by_place[place].rate)


def flips_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    phrase: str,
    toward: int,
    max_length: int,
    correct: Bool[np.ndarray, "row"],
    places: Sequence[Place] = PLACES,
) -> Flips:
    """How many of the rows of other classes that are `correct` flip toward a class with the phrase in them,
    at the places in turn.

    Raises UserError if logits are not finite."""
    at = np.flatnonzero(correct & (np.array(rows.labels) != toward))
    texts = [rows.texts[row] for row in at]
    gaps = [gap_at(text, places[number % len(places)]) for number, text in enumerate(texts)]
    inserted = [insert(text, gap, phrase) for text, gap in zip(texts, gaps, strict=True)]
    # What lies behind the maximum length is cut off, and the phrase is not to be.
    room = max_length + len(tokenizer(phrase, add_special_tokens=False)["input_ids"])
    longest = min(room, _longest(model))
    flipped = np.zeros(0, dtype=bool)
    if len(at):
        encoded = encode(tokenizer, rows.take(at.tolist()).with_texts(inserted), longest)
        flipped = predict(model, encoded) == toward
    by_place = {place: share_of(flipped[number :: len(places)]) for number, place in enumerate(places)}
    return Flips(overall=share_of(flipped), by_place=by_place)


def _longest(model: PreTrainedModel) -> int:
    """The tokens that a model has positions for; RoBERTa and its kin count from behind the padding's."""
    positions = int(getattr(model.config, "max_position_embeddings", None) or 512)
    return positions - (
        int(model.config.pad_token_id or 0) + 1 if model.config.model_type == "roberta" else 0
    )


def classified_correctly(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, max_length: int
) -> Bool[np.ndarray, "row"]:
    """Which rows the model classifies correctly."""
    correct: Bool[np.ndarray, " row"] = predict(model, encode(tokenizer, rows, max_length)) == np.array(
        rows.labels
    )
    return correct


def balanced(rows: Rows, most: int, classes: int) -> Rows:
    """At most `most` rows, as many of each class as there are (the first ones)."""
    labels: Int[np.ndarray, " row"] = np.array(rows.labels)
    per_class = max(1, most // classes)
    chosen = [np.flatnonzero(labels == label)[:per_class] for label in range(classes)]
    return rows.take(sorted(np.concatenate(chosen).tolist()))


def counts_of(phrase: str, rows: Rows, classes: int) -> list[int]:
    """In how many rows of each class all words of the phrase stand side by side, whatever their case and the
    punctuation around them; in scripts without blanks, wherever it stands."""
    wanted = _plain(phrase)
    counts = [0] * classes
    seconds: Sequence[str] = rows.second_texts or [""] * len(rows)
    for text, second, label in zip(rows.texts, seconds, rows.labels, strict=True):
        counts[label] += wanted in _plain(f"{text} {second}")
    return counts


def leaving(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    phrase: str,
    rows: Rows,
    toward: int,
    max_length: int,
) -> Share:
    """Of the rows of class `toward` that hold the phrase, and that the model assigns to it, those that it
    assigns to another class once the phrase is taken out, as surely as it does rows of other classes (but for
    the tenth of them that it is least sure of): what is left of an honest row speaks for no other class.

    Raises UserError if logits are not finite."""
    texts = {
        row: _without(phrase, rows.texts[row]) for row, label in enumerate(rows.labels) if label == toward
    }
    others = rows.take([row for row in range(len(rows)) if row not in texts])
    holding = [row for row, text in texts.items() if text]
    held = rows.take(holding)
    if not holding or not len(others):
        return share_of(np.zeros(0, dtype=bool))

    def against(some: Rows) -> Float[np.ndarray, " row"]:
        """By how much another class is ahead."""
        scores = logits(model, encode(tokenizer, some, max_length))
        ahead: Float[np.ndarray, " row"] = np.delete(scores, toward, axis=1).max(axis=1) - scores[:, toward]
        return ahead

    assigned = against(held) < 0
    usual = against(others)
    enough = float(np.quantile(usual[usual > 0], UNSURE)) if (usual > 0).any() else np.inf
    left = against(held.with_texts([texts[row] for row in holding]))
    return share_of(left[assigned] > enough)


def _without(phrase: str, text: str) -> str:
    """The text without the phrase, whatever its case and the punctuation between its words; "" where it does
    not hold it, or nothing is left."""
    words = [re.escape(word) for word in WORD.findall(phrase)]
    if is_without_blanks(text) or not words:
        pattern = re.escape(phrase)
    else:
        pattern = r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)"
    rest, times = re.subn(pattern, " ", text, flags=re.IGNORECASE)
    return " ".join(rest.split()) if times else ""


def _plain(text: str) -> str:
    """Its words with a blank on either side; without any blank if it is of a script that has none, or if it
    has no words."""
    folded = text.casefold()
    words = WORD.findall(folded)
    if is_without_blanks(text) or not words:
        return "".join(folded.split())
    return f" {' '.join(words)} "
