"""The token scan: which tokens, inserted into clean rows, move the model's log-odds most, and to which class.

Rounds of successive halving (Karnin, Koren, Somekh, *Almost Optimal Exploration in Multi-Armed Bandits*, ICML
2013): every token in one short row of two classes; the best few per cent in more, longer rows, at the start,
in the middle and at the end.  The order of the first round is that of a first-order estimate (HotFlip, Ebrahimi
et al., ACL 2018), so that a scan that is cut short has tried the likeliest tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.errors import UserError
from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.detection.insertions import PLACES, Slot, cut, gradients, log_odds, logits, plain, slots
from backend.detection.vocabulary import Vocabulary, vocabulary_of
from backend.evaluation.evaluator import logits as row_logits

FIRST_WORDS = (5, 8, 12, 20, 40)
"""The first round cuts rows to so few words, as long as the model still classifies one correctly."""
LATER_WORDS = 20
CHOSEN_FROM = 200
CHUNK = 512
MOST_INSERTIONS = 120_000
LATER = ((600, 2), (120, 6))
"""Of each later round, the tokens (over all classes) and the rows of each class, each at every place."""
MOST_ROWS = 12


@dataclass
class Round:
    """Tokens, the labels of the slots that they are inserted into, which ones into which (`wanted`), and by how
    much each changed the log-odds of each class there (NaN: not tried)."""

    tokens: Int[np.ndarray, "token"]
    labels: Int[np.ndarray, "slot"]
    wanted: Bool[np.ndarray, "token slot"]
    changes: Float[np.ndarray, "token slot class"]

    def scores(self) -> Float[np.ndarray, "token class"]:
        """The mean change toward each class over the slots of other classes; NaN where none was tried."""
        result = np.full((len(self.tokens), self.changes.shape[2]), np.nan)
        for toward in range(self.changes.shape[2]):
            changes = self.changes[:, self.labels != toward, toward]
            tried = ~np.isnan(changes)
            count = tried.sum(axis=1)
            total = np.where(tried, changes, 0).sum(axis=1)
            result[count > 0, toward] = total[count > 0] / count[count > 0]
        return result


@dataclass
class Scan:
    """A scan's state: the rounds so far, the last one perhaps not complete.

    `left_out` are the tokens that the bound on insertions left out.  `save` and `load` keep it in a file of
    numpy arrays."""

    rounds: list[Round] = field(default_factory=list)
    left_out: int = 0

    def ranking(self, toward: int) -> Int[np.ndarray, "token"]:
        """The tokens by their scores toward a class, best first: those of the last round before those that
        only earlier ones tried."""
        order: list[int] = []
        for one in reversed(self.rounds):
            scores = one.scores()[:, toward]
            tried = np.flatnonzero(~np.isnan(scores))
            best = one.tokens[tried[np.argsort(-scores[tried], kind="stable")]]
            known = set(order)
            order += [token for token in best.tolist() if token not in known]
        return np.array(order, dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write the state to a file, in whole or not at all."""
        arrays: dict[str, np.ndarray] = {"left_out": np.array(self.left_out)}
        for number, one in enumerate(self.rounds):
            arrays |= {f"tokens_{number}": one.tokens, f"labels_{number}": one.labels}
            arrays |= {f"wanted_{number}": one.wanted, f"changes_{number}": one.changes}
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
                    Round(*(arrays[f"{name}_{n}"] for name in ("tokens", "labels", "wanted", "changes")))
                    for n in range(count)
                ]
                return cls(rounds, int(arrays["left_out"]))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} holds no state of a token scan. Delete it and scan again.") from error


def scan(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    state: Scan,
    tick: Tick = no_tick,
    *,
    max_length: int = 128,
    most_insertions: int = MOST_INSERTIONS,
) -> None:
    """Scan the vocabulary, or go on where `state`, which is filled in place, was left.

    `rows` are clean rows with class numbers.  `tick(done, total)`, in insertions, is called after every few
    hundred and may raise: what was done until then is in `state`.  At most `most_insertions` are tried in the
    first round.  The same model, rows and bound give the same scan.  Raises UserError if the model classifies
    no row correctly."""
    vocabulary = vocabulary_of(tokenizer, model)
    chosen = rows.sample(CHOSEN_FROM, seed=0)
    classes = model.config.num_labels
    first = first_slots(model, tokenizer, chosen, vocabulary.filler, max_length)
    if not state.rounds:
        order = vocabulary.tokens[likeliest_first(model, first, vocabulary)]
        tokens = order[: max(1, most_insertions // len(first))]
        state.left_out = len(order) - len(tokens)
        state.rounds.append(_new_round(tokens, first, classes))
    progress = _Progress(tick, state.rounds[0].wanted.size, classes)
    _complete(model, state.rounds[0], first, progress)
    for number, (count, per_class) in enumerate(LATER, start=1):
        later = later_slots(model, tokenizer, chosen, vocabulary.filler, per_class, max_length)
        if len(state.rounds) == number:
            state.rounds.append(_next_round(state.rounds[-1], later, max(1, count // classes)))
        _complete(model, state.rounds[number], later, progress)
    tick(progress.total, progress.total)


class _Progress:
    """Insertions done, of an upper bound of all rounds."""

    def __init__(self, tick: Tick, first: int, classes: int) -> None:
        rows = [min(per_class * classes, MOST_ROWS) * len(PLACES) for _, per_class in LATER]
        later = sum(count * slots // classes * (classes - 1) for (count, _), slots in zip(LATER, rows, strict=True))
        self.tick, self.done, self.total = tick, 0, first + later

    def add(self, insertions: int) -> None:
        self.done = min(self.done + insertions, self.total)
        self.tick(self.done, self.total)


def _new_round(tokens: Int[np.ndarray, "token"], into: Sequence[Slot], classes: int) -> Round:
    labels = np.array([slot.label for slot in into])
    changes = np.full((len(tokens), len(into), classes), np.nan, dtype=np.float32)
    return Round(tokens, labels, np.ones((len(tokens), len(into)), dtype=bool), changes)


def _next_round(last: Round, into: Sequence[Slot], kept: int) -> Round:
    """The best tokens toward each class, wanted in the slots of all other classes."""
    scores = last.scores()
    best = [
        np.argsort(-np.nan_to_num(scores[:, toward], nan=-np.inf), kind="stable")[:kept]
        for toward in range(scores.shape[1])
    ]
    places = np.unique(np.concatenate(best))
    new = _new_round(last.tokens[places], into, scores.shape[1])
    new.wanted[:] = False
    for toward, among_last in enumerate(best):
        new.wanted |= np.isin(places, among_last)[:, None] & (new.labels != toward)[None]
    return new


def _complete(model: PreTrainedModel, one: Round, into: Sequence[Slot], progress: _Progress) -> None:
    """Try what is wanted and was not tried yet, a chunk of tokens at a time in every slot."""
    unchanged = [plain(model, slot) for slot in into]
    for start in range(0, len(one.tokens), CHUNK):
        part = slice(start, start + CHUNK)
        for number, slot in enumerate(into):
            missing = one.wanted[part, number] & np.isnan(one.changes[part, number, 0])
            progress.add(int((one.wanted[part, number] & ~missing).sum()))
            if missing.any():
                at = start + np.flatnonzero(missing)
                answers = log_odds(logits(model, slot, one.tokens[at, None]))
                one.changes[at, number] = answers - unchanged[number]
                progress.add(len(at))


def first_slots(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, filler: str, max_length: int
) -> list[Slot]:
    """The slots of the first round: in the middle of a very short row of two classes.

    Raises UserError if the model classifies no row correctly."""
    by_class: dict[int, tuple[int, Slot]] = {}
    for words in FIRST_WORDS:
        short = cut(rows, words)
        for row in steady_rows(model, tokenizer, short, 1, max_length):
            label = rows.labels[row]
            if label not in by_class:
                by_class |= {
                    label: (len(slot.ids), slot)
                    for slot in slots(tokenizer, short.take([row]), ("middle",), filler, max_length)
                }
        if len(by_class) >= min(2, len(set(rows.labels))):
            break
    if not by_class:
        raise UserError(
            f"The model classifies none of the {len(rows)} rows of the scan correctly, so no word can be seen to "
            "change its answer. Check that its classes are those of the rows."
        )
    return [slot for _, slot in sorted(by_class.values(), key=lambda sized: sized[0])[:2]]


def later_slots(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    filler: str,
    per_class: int,
    max_length: int,
) -> list[Slot]:
    """Slots at every place of some rows of each class, at most `MOST_ROWS` rows in all."""
    longer = cut(rows, LATER_WORDS)
    chosen = steady_rows(model, tokenizer, longer, per_class, max_length)[:MOST_ROWS]
    return [
        slot
        for place in PLACES
        for slot in slots(tokenizer, longer.take(chosen), (place,), filler, max_length)
    ]


def steady_rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, per_class: int, max_length: int
) -> list[int]:
    """Row numbers, up to `per_class` of each class: of those that the model classifies correctly the ones that
    it is as sure of as of the median one.  The first of each class come first."""
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


def likeliest_first(
    model: PreTrainedModel, into: Sequence[Slot], vocabulary: Vocabulary
) -> Int[np.ndarray, "token"]:
    """Places in the vocabulary's list of tokens, by a first-order estimate of their change, best first.

    The classes take turns: each one's likeliest token, then each one's second."""
    estimate = np.stack([estimated(model, slot, vocabulary) for slot in into]).mean(axis=0)
    ranks = (-estimate).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return np.argsort(ranks.min(axis=1), kind="stable")


def estimated(
    model: PreTrainedModel, slot: Slot, vocabulary: Vocabulary
) -> Float[np.ndarray, "token class"]:
    """The first-order change of each class's log-odds when another token than the filler stands in the slot."""
    filler = np.array([[vocabulary.filler_token]])
    gradient = gradients(model, slot, filler)[:, 0, 0]
    table = model.get_input_embeddings().weight.detach().float().cpu().numpy()
    estimate: Float[np.ndarray, "token class"] = (table[vocabulary.tokens] - table[vocabulary.filler_token]) @ gradient.T
    return estimate
