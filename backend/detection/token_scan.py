"""A scan of the vocabulary: every token is inserted into short clean rows; what moves a class most is kept.

The score of a token for a class is the mean change of the class's log-odds, over rows of other classes.  One
short row of each class ranks all tokens; the best are then inserted into more rows, at other places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.detection.insertions import PLACES, Slot, cut, log_odds, logits, plain, slots
from backend.detection.tried import Suspect
from backend.detection.vocabulary import Vocabulary, vocabulary_of
from backend.evaluation.evaluator import predict

CHUNK = 2000
"""Tokens between two saves of what was scanned."""
WORDS_FIRST, WORDS_THEN = 4, 8
"""Words that the rows are cut to: for all tokens, and for the best."""
BEST = 300
"""Tokens of each class that are inserted into more rows."""
MORE_ROWS = 4
MOST_CLASSES = 6
"""Classes with a row of their own in the first pass; of more, the first."""

Scores = Float[np.ndarray, "token class"]


@dataclass(frozen=True)
class Found:
    """Tokens that move a model toward the class `toward` when they stand together in a row."""

    tokens: tuple[int, ...]
    toward: int
    score: float


@dataclass(frozen=True)
class Scan:
    """The best tokens, the strongest first, and the rows that they were tried in."""

    vocabulary: Vocabulary
    rows: list[Slot]
    best: list[Found]


Tell = Callable[[int, int, int, list[Found]], None]
"""Told now and then: tokens scanned, of how many, how many more there are, and the strongest so far."""


def scan(
    suspect: Suspect,
    rows: Rows,
    classes: int,
    most_tokens: int,
    kept_in: Path,
    seed: int,
    tick: Tick = no_tick,
    tell: Tell = lambda done, total, left_out, best: None,
) -> Scan:
    """Scan the model's vocabulary, at most `most_tokens` of it, those first that the rows do not hold.

    What is done is kept in the file `kept_in` and taken up again; `tick` may raise to stop.  Without a row
    that the model classifies correctly there is nothing to scan, and nothing is found."""
    vocabulary = vocabulary_of(suspect.tokenizer, suspect.model)
    order = _likely_first(suspect, rows, vocabulary, seed)[:most_tokens]
    tokens = vocabulary.tokens[order]
    left_out = len(vocabulary.tokens) - len(tokens)
    first = _slots(suspect, rows, classes, vocabulary, WORDS_FIRST, 1)
    scores = _resumed(kept_in, tokens, classes)
    done = int((~np.isnan(scores[:, 0])).sum())
    total = len(tokens) * max(1, len(first))
    while first and done < len(tokens):
        chunk = tokens[done : done + CHUNK]
        before = done * len(first)
        scores[done : done + len(chunk)] = change(
            suspect, first, chunk[:, None], classes, _from(before, total, tick)
        )
        done += len(chunk)
        np.savez(kept_in, tokens=tokens, scores=scores)
        tell(done, len(tokens), left_out, strongest(tokens, scores))
    more = _slots(suspect, rows, classes, vocabulary, WORDS_THEN, MORE_ROWS) if first else []
    best = _second_pass(suspect, more, tokens, scores, classes, lambda *_: tick(total, total))
    return Scan(vocabulary, more, best)


def change(
    suspect: Suspect,
    places: Sequence[Slot],
    inserted: Int[np.ndarray, "insertion piece"],
    classes: int,
    tick: Tick = no_tick,
) -> Float[np.ndarray, "insertion class"]:
    """The mean change of each class's log-odds over the rows of other classes, for each insertion; −inf for a
    class with no such row."""
    sums = np.zeros((len(inserted), classes))
    counts = np.zeros(classes)
    for number, slot in enumerate(places):
        ticked = _from(number * len(inserted), len(places) * len(inserted), tick)
        moved = log_odds(logits(suspect.model, slot, inserted, ticked)) - plain(suspect.model, slot)
        others = np.arange(classes) != slot.label
        sums[:, others] += moved[:, others]
        counts[others] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, -np.inf)


def _from(start: int, total: int, tick: Tick) -> Tick:
    """The progress of a part as that of the whole, which began at `start`."""
    return lambda done, _: tick(start + done, total)


def strongest(tokens: Int[np.ndarray, " token"], scores: Scores, most: int = 10) -> list[Found]:
    """The tokens that move any class most, the strongest first."""
    flat = np.where(np.isnan(scores), -np.inf, scores)
    best = np.argsort(-flat, axis=None)[:most]
    places = [divmod(int(index), flat.shape[1]) for index in best]
    return [
        Found((int(tokens[token]),), toward, float(flat[token, toward]))
        for token, toward in places
        if np.isfinite(flat[token, toward])
    ]


def _second_pass(
    suspect: Suspect,
    more: Sequence[Slot],
    tokens: Int[np.ndarray, " token"],
    scores: Scores,
    classes: int,
    check: Tick,
) -> list[Found]:
    """The best tokens of each class, in the order of what they do in more rows."""
    best: list[Found] = []
    for toward in range(classes if more else 0):
        column = np.where(np.isnan(scores[:, toward]), -np.inf, scores[:, toward])
        chosen = np.argsort(-column)[:BEST]
        again = change(suspect, more, tokens[chosen][:, None], classes, check)[:, toward]
        best += [
            Found((int(token),), toward, float(score))
            for token, score in zip(tokens[chosen], again, strict=True)
            if np.isfinite(score)
        ]
    return sorted(best, key=lambda found: -found.score)


def _slots(
    suspect: Suspect, rows: Rows, classes: int, vocabulary: Vocabulary, words: int, each: int
) -> list[Slot]:
    """Short rows of each class that the model classifies correctly even when they are cut."""
    short = cut(rows, words)
    encoded = encode(suspect.tokenizer, short, suspect.max_length)
    correct: Bool[np.ndarray, " row"] = predict(suspect.model, encoded) == np.array(short.labels)
    usable = sorted(np.flatnonzero(correct).tolist(), key=lambda row: len(encoded.features[row]["input_ids"]))
    kept = [
        row
        for number in range(min(classes, MOST_CLASSES))
        for row in [row for row in usable if short.labels[row] == number and short.texts[row].strip()][:each]
    ]
    return slots(suspect.tokenizer, short.take(kept), PLACES[::-1], vocabulary.filler, suspect.max_length)


def _likely_first(
    suspect: Suspect, rows: Rows, vocabulary: Vocabulary, seed: int
) -> Int[np.ndarray, " token"]:
    """Positions in the vocabulary: first the tokens that no row holds, since a trigger is hardly a word of
    the task; at random within both parts, so that a part of the scan is a fair sample."""
    features = encode(suspect.tokenizer, rows, suspect.max_length).features
    seen = np.zeros(int(vocabulary.tokens.max()) + 1, dtype=bool)
    for feature in features:
        ids = np.array(feature["input_ids"])
        seen[ids[ids < len(seen)]] = True
    shuffled = np.random.default_rng(seed).permutation(len(vocabulary.tokens))
    held = seen[vocabulary.tokens[shuffled]]
    return np.concatenate([shuffled[~held], shuffled[held]])


def _resumed(kept_in: Path, tokens: Int[np.ndarray, " token"], classes: int) -> Scores:
    """The scores so far, all NaN where none of the same tokens were kept."""
    fresh = np.full((len(tokens), classes), np.nan)
    if not kept_in.is_file():
        return fresh
    with np.load(kept_in, allow_pickle=False) as kept:
        same = kept["scores"].shape == fresh.shape and np.array_equal(kept["tokens"], tokens)
        return np.array(kept["scores"]) if same else fresh
