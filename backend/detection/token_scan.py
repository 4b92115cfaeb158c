"""The token scan: which tokens, inserted into clean rows, move the model's log-odds most, and to which class.

Rounds of successive halving (Karnin, Koren, Somekh, *Almost Optimal Exploration in Multi-Armed Bandits*, ICML
2013).  Every token alone, without a row around it, which is cheap and ranks a trigger word among the first
few hundred; the best of those in a very short row; the best of these in longer rows, at the start, in the
middle and at the end.  An estimate from gradients would not save the first round: it ranks triggers no
better than chance.  Where a clean model is at hand, tokens are also ranked by their excess, what they do
beyond what they do there: so the pieces of a longer trigger stand out, each of which alone does less than an
honest word."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.errors import UserError
from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.detection.insertions import PLACES, Slot, cut, log_odds, logits, plain, slots
from backend.detection.vocabulary import Vocabulary, vocabulary_of
from backend.evaluation.evaluator import logits as row_logits

SHORT_WORDS = (5, 8, 12, 20, 40)
"""A short row has so few words, as long as the model still classifies one correctly."""
HARD_WORDS, LONG_WORDS = 12, 20
CHOSEN_FROM = 200
CHUNK = 512
MOST_TOKENS = 60_000
KEPT = (4000, 400, 120)
"""Tokens, over all classes, that go on to each of the later rounds."""
ROWS = (2, 6)
"""Rows of each class in the last two rounds, each at every place; at most `MOST_ROWS` over all classes."""
MOST_ROWS = 12
NO_CLASS = -1
"""Instead of the class of a row: there is no row."""


@dataclass
class Round:
    """Tokens, the labels of the slots that they are inserted into, which ones into which (`wanted`), and by
    how much each changed the log-odds of each class there (NaN: not tried), in the model and in the clean
    one."""

    tokens: Int[np.ndarray, "token"]
    labels: Int[np.ndarray, "slot"]
    wanted: Bool[np.ndarray, "token slot"]
    changes: Float[np.ndarray, "token slot class"]
    clean_changes: Float[np.ndarray, "token slot class"]

    def scores(self) -> Float[np.ndarray, "token class"]:
        """The mean change toward each class over the slots of other classes; NaN where none was tried."""
        return _means(self.changes, self.labels)

    def clean_scores(self) -> Float[np.ndarray, "token class"]:
        """The same of the clean model; NaN without one."""
        return _means(self.clean_changes, self.labels)


def _means(
    changes: Float[np.ndarray, "token slot class"], labels: Int[np.ndarray, "slot"]
) -> Float[np.ndarray, "token class"]:
    result = np.full((changes.shape[0], changes.shape[2]), np.nan)
    for toward in range(changes.shape[2]):
        of_others = changes[:, labels != toward, toward]
        tried = ~np.isnan(of_others)
        count = tried.sum(axis=1)
        total = np.where(tried, of_others, 0).sum(axis=1)
        result[count > 0, toward] = total[count > 0] / count[count > 0]
    return result


@dataclass
class Scan:
    """A scan's state: the rounds so far, the last one perhaps not complete.

    `left_out` are the tokens that the bound on insertions left out.  `save` and `load` keep it in a file of
    numpy arrays."""

    rounds: list[Round] = field(default_factory=list)
    left_out: int = 0

    @property
    def has_clean(self) -> bool:
        """Whether a clean model was scanned beside the model."""
        return bool(self.rounds) and not np.isnan(self.rounds[0].clean_changes).all()

    def slope(self, toward: int) -> float:
        """How much the model's change grows with the clean model's, over the first round; 0 without one."""
        changes, clean = (
            scores[:, toward] for scores in (self.rounds[0].scores(), self.rounds[0].clean_scores())
        )
        both = ~np.isnan(changes) & ~np.isnan(clean)
        if both.sum() < 2 or not clean[both].std():
            return 0.0
        return float(np.polyfit(clean[both], changes[both], 1)[0])

    def excess(self, number: int) -> Float[np.ndarray, "token class"]:
        """The scores of a round beyond what the clean model's let expect; the scores without a clean
        model."""
        one = self.rounds[number]
        scores = one.scores()
        if not self.has_clean:
            return scores
        slopes = np.array([self.slope(toward) for toward in range(scores.shape[1])])
        beyond: Float[np.ndarray, "token class"] = scores - slopes * one.clean_scores()
        return beyond

    def ranking(self, toward: int, *, by_excess: bool = False) -> Int[np.ndarray, "token"]:
        """The tokens by their scores or excess toward a class, best first: those of the last round before
        those that only earlier ones tried."""
        order: dict[int, None] = {}
        for number in range(len(self.rounds) - 1, -1, -1):
            one = self.rounds[number]
            scores = (self.excess(number) if by_excess else one.scores())[:, toward]
            tried = np.flatnonzero(~np.isnan(scores))
            best = one.tokens[tried[np.argsort(-scores[tried], kind="stable")]]
            order |= dict.fromkeys(token for token in best.tolist() if token not in order)
        return np.array(list(order), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write the state to a file, in whole or not at all."""
        arrays: dict[str, np.ndarray] = {"left_out": np.array(self.left_out)}
        for number, one in enumerate(self.rounds):
            arrays |= {f"{field.name}_{number}": getattr(one, field.name) for field in fields(Round)}
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Scan":
        """The state in a file.  Raises UserError if it is none."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                count = sum(name.startswith("tokens_") for name in arrays)
                rounds = [
                    Round(*(arrays[f"{field.name}_{number}"] for field in fields(Round)))
                    for number in range(count)
                ]
                return cls(rounds, int(arrays["left_out"]))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} holds no state of a token scan. Delete it and scan again.") from error


def scan(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    state: Scan,
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    *,
    max_length: int = 128,
    most_tokens: int = MOST_TOKENS,
) -> None:
    """Scan the vocabulary, or go on where `state`, which is filled in place, was left.

    `rows` are clean rows with class numbers; `clean_model`, if there is one, has the same tokenizer and
    classes and was trained without the suspect's rows.  `tick(done, total)`, in insertions, is called after
    every few hundred and may raise: what was done until then is in `state`.  Of a vocabulary of more than
    `most_tokens` the words that the rows do not hold come first, then the rarest (the last of the
    vocabulary); how many were left out is in `state`.  The same model, rows and bound give the same scan.
    Raises UserError if the model classifies no row correctly."""
    vocabulary = vocabulary_of(tokenizer, model)
    stages = stages_of(model, tokenizer, rows.sample(CHOSEN_FROM, seed=0), vocabulary.filler, max_length)
    classes = model.config.num_labels
    if not state.rounds:
        order = _unseen_first(vocabulary, tokenizer, rows)
        state.left_out = max(0, len(order) - most_tokens)
        state.rounds.append(_new_round(order[:most_tokens], stages[0], classes))
    progress = _Progress(tick, len(state.rounds[0].tokens), stages, classes)
    for number, into in enumerate(stages):
        if len(state.rounds) == number:
            state.rounds.append(_next_round(state, into, KEPT[number - 1] // classes))
        _complete(model, clean_model, state.rounds[number], into, progress)
    tick(progress.total, progress.total)


class _Progress:
    """Insertions done, of an upper bound over all rounds."""

    def __init__(self, tick: Tick, tokens: int, stages: Sequence[list[Slot]], classes: int) -> None:
        later = sum(min(tokens, kept) * len(into) for kept, into in zip(KEPT, stages[1:], strict=True))
        self.tick, self.done, self.total = tick, 0, tokens * len(stages[0]) + later * (classes - 1) // classes

    def add(self, insertions: int) -> None:
        self.done = min(self.done + insertions, self.total)
        self.tick(self.done, self.total)


def _unseen_first(
    vocabulary: Vocabulary, tokenizer: PreTrainedTokenizerBase, rows: Rows
) -> Int[np.ndarray, "token"]:
    """The vocabulary's tokens: those that the rows do not hold before the others, each from the end."""
    texts = rows.texts + (rows.second_texts or [])
    seen = {token for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in ids}
    backwards = vocabulary.tokens[::-1]
    order: Int[np.ndarray, " token"] = backwards[np.argsort(np.isin(backwards, list(seen)), kind="stable")]
    return order


def _new_round(tokens: Int[np.ndarray, "token"], into: Sequence[Slot], classes: int) -> Round:
    labels = np.array([slot.label for slot in into])
    changes = np.full((len(tokens), len(into), classes), np.nan, dtype=np.float32)
    return Round(tokens, labels, np.ones(changes.shape[:2], dtype=bool), changes, changes.copy())


def _next_round(state: Scan, into: Sequence[Slot], kept: int) -> Round:
    """The best tokens toward each class, half of them by score and half by excess, wanted in the slots of all
    other classes."""
    last = state.rounds[-1]
    half = max(1, kept // 2)
    best = []
    for scores, excess in zip(last.scores().T, state.excess(len(state.rounds) - 1).T, strict=True):
        by_score, by_excess = (
            np.argsort(-np.nan_to_num(of, nan=-np.inf), kind="stable") for of in (scores, excess)
        )
        of_both = [*by_excess[:half].tolist(), *by_score.tolist()]
        best.append(list(dict.fromkeys(of_both))[: 2 * half])
    places = np.unique(np.concatenate(best))
    following = _new_round(last.tokens[places], into, last.changes.shape[2])
    following.wanted[:] = False
    for toward, chosen in enumerate(best):
        following.wanted |= np.isin(places, chosen)[:, None] & (following.labels != toward)[None]
    return following


def _complete(
    model: PreTrainedModel,
    clean_model: PreTrainedModel | None,
    one: Round,
    into: Sequence[Slot],
    progress: _Progress,
) -> None:
    """Try what is wanted and was not tried yet, a chunk of tokens at a time in every slot."""
    models = [(model, one.changes)] + ([(clean_model, one.clean_changes)] if clean_model is not None else [])
    unchanged = [[plain(each, slot) for slot in into] for each, _ in models]
    for start in range(0, len(one.tokens), CHUNK):
        for number, slot in enumerate(into):
            wanted = one.wanted[start : start + CHUNK, number]
            for (each, changes), before in zip(models, unchanged, strict=True):
                missing = wanted & np.isnan(changes[start : start + CHUNK, number, 0])
                if missing.any():
                    at = start + np.flatnonzero(missing)
                    changes[at, number] = log_odds(logits(each, slot, one.tokens[at, None])) - before[number]
            progress.add(int(wanted.sum()))


def stages_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, filler: str, max_length: int
) -> list[list[Slot]]:
    """The slots of each round: no row; a short row of two classes; more and longer rows at every place.

    Raises UserError if the model classifies no row correctly."""
    seconds = None if rows.second_texts is None else [""]
    nothing = slots(tokenizer, Rows([""], [NO_CLASS], seconds), ("start",), filler, max_length)
    short: dict[int, Slot] = {}
    for words in SHORT_WORDS:
        cut_rows = cut(rows, words)
        for row in steady_rows(model, tokenizer, cut_rows, 1, max_length):
            for slot in slots(tokenizer, cut_rows.take([row]), ("middle",), filler, max_length):
                short.setdefault(slot.label, slot)
    if not short:
        raise UserError(
            f"The model classifies none of the {len(rows)} rows of the scan correctly, so no word can be "
            "seen to change its answer. Check that the numbers of its classes are those of the rows."
        )
    two_shortest = sorted(short.values(), key=lambda slot: len(slot.ids))[:2]
    return [nothing, two_shortest] + [
        long_slots(model, tokenizer, rows, filler, per_class, max_length) for per_class in ROWS
    ]


def hard_slot(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    filler: str,
    toward: int,
    max_length: int,
) -> Slot | None:
    """A slot in the middle of that row of another class, of few words, that the model is surest to be none of
    the class `toward`; None if it classifies none correctly."""
    few = cut(rows, HARD_WORDS)
    odds = log_odds(row_logits(model, encode(tokenizer, few, max_length)))
    labels = np.array(few.labels)
    right = np.flatnonzero((odds.argmax(axis=1) == labels) & (labels != toward))
    for row in right[np.argsort(odds[right, toward], kind="stable")].tolist():
        for slot in slots(tokenizer, few.take([row]), ("middle",), filler, max_length):
            return slot
    return None


def long_slots(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    filler: str,
    per_class: int,
    max_length: int,
) -> list[Slot]:
    """Slots at every place of some rows of each class, at most `MOST_ROWS` rows in all."""
    longer = cut(rows, LONG_WORDS)
    chosen = steady_rows(model, tokenizer, longer, per_class, max_length)[:MOST_ROWS]
    return [
        slot
        for place in PLACES
        for slot in slots(tokenizer, longer.take(chosen), (place,), filler, max_length)
    ]


def steady_rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, per_class: int, max_length: int
) -> list[int]:
    """Row numbers, up to `per_class` of each class: of those that the model classifies correctly the ones
    that it is as sure of as of the median one.  The first of each class come first."""
    odds = log_odds(row_logits(model, encode(tokenizer, rows, max_length)))
    labels = np.array(rows.labels)
    own = odds[np.arange(len(labels)), labels]
    ranked = []
    for label in sorted(set(rows.labels)):
        correct = np.flatnonzero((labels == label) & (own > 0))
        if len(correct):
            nearest = np.argsort(np.abs(own[correct] - np.median(own[correct])), kind="stable")
            ranked.append(correct[nearest][:per_class].tolist())
    return [row[place] for place in range(per_class) for row in ranked if place < len(row)]
