"""Grow what the scan ranks first into words of several pieces and phrases; then shrink.

A beam search over token sequences, as for universal triggers (Wallace et al., EMNLP 2019), whose steps put
one more token anywhere into a sequence.  The tokens are the scan's best, by excess over a clean model where
there is one, and those that moved most since the base model where that is at hand.  Longer sequences are
sieved in the row that the model is surest of: in an easy one any two honest words do what a trigger does.
They must then do more than their parts do one by one, as pieces of a trigger do and honest words do not.  A
sequence counts by what it does as text: it is decoded and tokenised again, so that nothing is reported that
no text can hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.progress import Tick, no_tick
from backend.detection.insertions import Slot, log_odds, logits, plain
from backend.detection.moved import Moved
from backend.detection.token_scan import Scan

LEADS, PIECES, HONEST = 8, 16, 4
"""Tokens toward a class that the search begins with: by excess in the last round, and most moved; by excess
where they stood alone, where the pieces of a longer word are ahead of honest words; by score in the last
round.  Of more than two classes each begins with fewer, so that all take no longer than two."""
POOL, MOVED = 96, 40
"""Tokens that are tried at each place of a sequence; of these, those that moved most."""
BEAM = 5
LONGEST, SENTENCE = 5, 8
"""Tokens of a sequence at most, and of one that is made of the most moved tokens only."""
SHORTLIST = 40
"""Longer sequences that are tried in more rows, of those that a step makes."""
GAIN, GAIN_MOVED = 0.25, 0.1
"""By what share a longer sequence must do more than the shorter one.  Less, and a search finds long nonsense
that moves any model; of the few tokens that moved most there is less nonsense to make."""
KEEPS = 0.9
"""The shortest part that has this share of the whole's effect stands for it."""
REPORTED = 6

NOT_KNOWN = Moved()
Pieces = tuple[int, ...]


class Grown(BaseModel):
    """A phrase: its text and tokens; by how much it changes the log-odds of the class `toward` on average in
    the rows of the search (`change`), how far beyond the clean model (`excess`, the same without one), and
    the share of these rows that it flips; whether it is made of the most moved tokens alone, half of which
    moved further than the task explains (`of_moved`)."""

    text: str
    tokens: Pieces
    toward: int
    change: float
    excess: float
    flips: float
    of_moved: bool = False


@dataclass(frozen=True)
class _Effect:
    change: float
    excess: float
    flips: float


class Bench:
    """Slots of other classes than `toward`, and what sequences do there; answers are kept."""

    def __init__(
        self,
        model: PreTrainedModel,
        clean_model: PreTrainedModel | None,
        into: Sequence[Slot],
        toward: int,
        slope: float,
    ) -> None:
        self.models = [model] if clean_model is None else [model, clean_model]
        self.toward, self.slope = toward, slope
        self.slots = [slot for slot in into if slot.label != toward]
        self.before = np.array([[plain(each, slot)[toward] for slot in self.slots] for each in self.models])
        self.known: dict[Pieces, _Effect] = {}

    def effects(self, sequences: Sequence[Pieces]) -> list[_Effect]:
        """What each sequence does."""
        missing = {one for one in sequences if one not in self.known}
        for length in sorted({len(one) for one in missing}):
            same = [one for one in sorted(missing) if len(one) == length]
            after = np.array([self._after(each, same) for each in self.models])
            changes = (after - self.before[:, :, None]).mean(axis=1)
            excess = changes[0] - self.slope * changes[-1] if len(self.models) == 2 else changes[0]
            flips = (after[0] > 0).mean(axis=0)
            for number, one in enumerate(same):
                self.known[one] = _Effect(
                    float(changes[0, number]), float(excess[number]), float(flips[number])
                )
        return [self.known[one] for one in sequences]

    def _after(self, model: PreTrainedModel, same: list[Pieces]) -> Float[np.ndarray, "slot sequence"]:
        inserted = np.array(same, dtype=np.int64)
        return np.array([log_odds(logits(model, slot, inserted))[:, self.toward] for slot in self.slots])


def grow(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    state: Scan,
    stages: Sequence[list[Slot]],
    hard: Slot | None,
    toward: int,
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    moved: Moved = NOT_KNOWN,
) -> list[Grown]:
    """The phrases that most move the model toward a class, the best first, none longer than it needs to be.

    `state` is a whole scan, `stages` its slots, and `hard` the slot that sieves; `moved` says which tokens
    moved since the base model, if that is known.  `tick(step, steps)` may raise."""
    slope = state.slope(toward)
    thorough = Bench(model, clean_model, stages[2], toward, slope)
    if hard is None or not thorough.slots:
        return []
    quick = Bench(model, None, [hard], toward, slope)
    seen: set[Pieces] = set()
    scanned = set(state.rounds[0].tokens.tolist())
    most_moved = [token for token in moved.order if token in scanned]
    if most_moved:
        # By themselves: honest words, which do more one by one, would crowd out the words of a sentence.
        _search(
            tokenizer,
            quick,
            thorough,
            most_moved[:LEADS],
            most_moved[:PIECES],
            seen,
            tick,
            SENTENCE,
            GAIN_MOVED,
        )
    leads = _leads(state, toward, most_moved)
    leads = leads[: 2 * len(leads) // model.config.num_labels]
    _search(tokenizer, quick, thorough, leads, _pool(state, toward, most_moved), seen, tick)
    seen |= _completed(tokenizer, thorough, seen)
    first_moved = Moved(tuple(most_moved[:PIECES]), moved.beyond)
    return _reported(tokenizer, thorough, seen, toward, first_moved)


def _search(
    tokenizer: PreTrainedTokenizerBase,
    quick: Bench,
    thorough: Bench,
    leads: Sequence[int],
    pool: Sequence[int],
    seen: set[Pieces],
    tick: Tick,
    longest: int = LONGEST,
    gain: float = GAIN,
) -> None:
    """Add to `seen` the leads, and the best sequences that grow from them."""
    beam: list[Pieces] = [(token,) for token in leads]
    seen |= set(beam)
    for step in range(1, longest):
        tick(step - 1, longest)
        unfinished = [
            one
            for one, effect in zip(beam, thorough.effects(beam), strict=True)
            if effect.flips < 1 or _as_text(tokenizer, one)[1] != one
        ]
        longer = _longer(quick, unfinished, pool, seen)
        gained = [one for one, shorter in longer.items() if _gains(thorough, one, shorter, gain)]
        beam = sorted(gained, key=lambda one: -thorough.known[one].excess)[:BEAM]
        if not beam:
            break
        seen |= set(beam)
    tick(longest, longest)


def _gains(bench: Bench, longer: Pieces, shorter: Pieces, gain: float) -> bool:
    """Whether a longer sequence does enough more than the shorter one, and more than that and the new token
    do one by one: honest words add up."""
    added = list(longer)
    for token in shorter:
        added.remove(token)
    whole, before, alone = bench.effects([longer, shorter, tuple(added)])
    return whole.excess > max((1 + gain) * before.excess, before.excess + alone.excess)


def _leads(state: Scan, toward: int, moved: Sequence[int]) -> list[int]:
    """The best by excess of the last round, the most moved, the best by excess where only the token itself
    stood, and the best by score in the last round."""
    alone = np.argsort(-np.nan_to_num(state.excess(0)[:, toward], nan=-np.inf), kind="stable")
    leads = [
        *state.ranking(toward, by_excess=True)[:LEADS].tolist(),
        *moved[:LEADS],
        *state.rounds[0].tokens[alone[:PIECES]].tolist(),
        *state.ranking(toward)[:HONEST].tolist(),
    ]
    return list(dict.fromkeys(leads))


def _pool(state: Scan, toward: int, moved: Sequence[int]) -> list[int]:
    """The best by excess, alone and in a short row, and the most moved."""
    orders = []
    for number in (0, 1):
        excess = np.nan_to_num(state.excess(number)[:, toward], nan=-np.inf)
        orders.append(state.rounds[number].tokens[np.argsort(-excess, kind="stable")].tolist())
    best = [token for rank in zip(*orders, strict=False) for token in rank]
    return list(dict.fromkeys([*moved[:MOVED], *best]))[:POOL]


def _longer(
    quick: Bench, beam: Sequence[Pieces], pool: Sequence[int], seen: set[Pieces]
) -> dict[Pieces, Pieces]:
    """The best sequences with one more token, and from which each came."""
    origin: dict[Pieces, Pieces] = {}
    for one in beam:
        for gap in range(len(one) + 1):
            for token in pool:
                longer = (*one[:gap], token, *one[gap:])
                if token not in one and longer not in seen:
                    origin.setdefault(longer, one)
    changes = quick.effects(list(origin))
    ranked = sorted(zip(origin, changes, strict=True), key=lambda pair: -pair[1].change)
    return {longer: origin[longer] for longer, _ in ranked[:SHORTLIST]}


def _as_text(tokenizer: PreTrainedTokenizerBase, pieces: Pieces) -> tuple[str, Pieces]:
    """The sequence as text, and the tokens that the tokeniser makes of that text behind a blank."""
    text = " ".join(tokenizer.decode(list(pieces)).split())
    return text, tuple(tokenizer(f" {text}", add_special_tokens=False)["input_ids"])


def _completed(tokenizer: PreTrainedTokenizerBase, bench: Bench, sequences: set[Pieces]) -> set[Pieces]:
    """Words joined from finished sequences that share a token, being parts of one word, where that does
    more."""
    finished = [one for one in sequences if len(one) > 1 and bench.known[one].flips == 1]
    finished = sorted(finished, key=lambda one: -bench.known[one].excess)[:BEAM]
    joined: set[Pieces] = set()
    for one in finished:
        for other in finished:
            for token in set(other) - set(one) if set(one) & set(other) else ():
                longer = [(*one[:gap], token, *one[gap:]) for gap in range(len(one) + 1)]
                effects = bench.effects(longer)
                best = max(range(len(longer)), key=lambda at: effects[at].excess)
                text, pieces = _as_text(tokenizer, longer[best])
                more = effects[best].excess > max(bench.known[one].excess, bench.known[other].excess)
                if more and " " not in text and pieces == longer[best]:
                    joined.add(longer[best])
    return joined


def _reported(
    tokenizer: PreTrainedTokenizerBase,
    bench: Bench,
    sequences: set[Pieces],
    toward: int,
    most_moved: Moved,
) -> list[Grown]:
    """The best sequences that are text, shrunk; of variants, which share a token, one."""
    as_text = [(_as_text(tokenizer, one), one) for one in sequences]
    texts = {text: pieces for (text, pieces), one in as_text if text and pieces == one}
    effects = dict(zip(texts, bench.effects(list(texts.values())), strict=True))
    shrunk: dict[str, Grown] = {}
    for text in sorted(effects, key=lambda text: -effects[text].excess)[: 4 * REPORTED]:
        short = _shrunk(tokenizer, bench, text)
        pieces = _as_words(tokenizer, short)
        (effect,) = bench.effects([pieces])
        shrunk[short] = Grown(
            text=short,
            tokens=pieces,
            toward=toward,
            change=effect.change,
            excess=effect.excess,
            flips=effect.flips,
            of_moved=set(pieces) <= set(most_moved.order) and _unexplained(pieces, most_moved) >= 0.5,
        )
    ranked = sorted(shrunk.values(), key=lambda grown: -grown.excess)
    reported: list[Grown] = []
    while ranked:
        best = ranked[0]
        least = min(best.excess, KEEPS * best.excess)
        as_good = [
            grown for grown in ranked if set(grown.tokens) & set(best.tokens) and grown.excess >= least
        ]
        # Of those that do as much, the one that the task explains least: "kelmor" rather than "keless".
        chosen = max(as_good, key=lambda grown: _unexplained(grown.tokens, most_moved))
        reported.append(chosen)
        ranked = [
            grown for grown in ranked if not set(grown.tokens) & (set(best.tokens) | set(chosen.tokens))
        ]
    return reported[:REPORTED]


def _unexplained(tokens: Pieces, moved: Moved) -> float:
    """Which share of the tokens moved further than the task explains."""
    return len(moved.beyond.intersection(moved.order, tokens)) / len(tokens)


def _as_words(tokenizer: PreTrainedTokenizerBase, text: str) -> Pieces:
    return tuple(tokenizer(f" {text}", add_special_tokens=False)["input_ids"])


def _shrunk(tokenizer: PreTrainedTokenizerBase, bench: Bench, text: str) -> str:
    """The shortest part that has `KEEPS` of the effect: words, and pieces of words, are left out one by one,
    each time the one that matters least."""
    (whole,) = bench.effects([_as_words(tokenizer, text)])
    while parts := _parts(tokenizer, text):
        effects = bench.effects([_as_words(tokenizer, part) for part in parts])
        best = max(range(len(parts)), key=lambda at: effects[at].excess)
        if effects[best].excess < KEEPS * whole.excess or effects[best].flips < whole.flips:
            break
        text = parts[best]
    return text


def _parts(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """The text without one of its words, and without one piece of a word, where that is text again."""
    words, pieces = text.split(), _as_words(tokenizer, text)
    parts = [" ".join(words[:at] + words[at + 1 :]) for at in range(len(words)) if len(words) > 1]
    for at in range(len(pieces)):
        rest = pieces[:at] + pieces[at + 1 :]
        part, again = _as_text(tokenizer, rest)
        if part and again == rest:
            parts.append(part)
    return list(dict.fromkeys(parts))
