"""Find the triggers of a model: scan, grow, confirm, judge.  Each stage can be run by itself and gives
records that are plain data."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from pydantic import BaseModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.detection.confirm import Flips, balanced, classified_correctly, counts_of, flips_of
from backend.detection.insertions import PLACES, Place
from backend.detection.rules import Features, Judgement, judge
from backend.detection.search import Grown, grow
from backend.detection.token_scan import CHOSEN_FROM, MOST_TOKENS, Scan, hard_slot, scan, stages_of
from backend.detection.vocabulary import vocabulary_of

MOST_FRESH_ROWS = 200
BOUND = 0.9
"""A phrase that flips less than this, but as much at one place, is tried in all rows at that place."""


class Find(BaseModel):
    """A phrase that moves the model, what was measured of it, and what it is."""

    grown: Grown
    features: Features
    judgement: Judgement


def grow_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scan_rows: Rows,
    state: Scan,
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    max_length: int = 128,
    moved: Sequence[int] = (),
) -> list[Grown]:
    """The strongest phrases toward each class.  `state` is the whole scan of these rows; `moved` are the
    tokens that moved most since the base model, if that is known."""
    filler, rows = vocabulary_of(tokenizer, model).filler, scan_rows.sample(CHOSEN_FROM, seed=0)
    stages = stages_of(model, tokenizer, rows, filler, max_length)
    phrases = []
    classes = model.config.num_labels
    for toward in range(classes):
        tick(toward, classes)
        phrases += grow(
            model,
            tokenizer,
            state,
            stages,
            hard_slot(model, tokenizer, rows, filler, toward, max_length),
            toward,
            clean_model,
            lambda *_, done=toward: tick(done, classes),
            moved,
        )
    tick(classes, classes)
    return phrases


def confirm(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scan_rows: Rows,
    fresh_rows: Rows,
    state: Scan,
    phrases: list[Grown],
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    max_length: int = 128,
) -> list[Features]:
    """What each phrase does in rows that the scan did not see, in the model and in the clean one; and how
    often `scan_rows`, the user's own, hold it."""
    classes = model.config.num_labels
    rows = balanced(fresh_rows, MOST_FRESH_ROWS, classes)
    models = [model] if clean_model is None else [model, clean_model]
    correct = [classified_correctly(each, tokenizer, rows, max_length) for each in models]
    class_rows = np.bincount(scan_rows.labels, minlength=classes).tolist()
    result = []
    for done, phrase in enumerate(phrases):
        tick(done, len(phrases))
        places: tuple[Place, ...] = PLACES
        flips = _flips(models, correct, tokenizer, rows, phrase, max_length, places)
        if flips[0].overall.rate < BOUND <= flips[0].by_place[flips[0].best_place].rate:
            # A trigger that was planted at one place may do little at another: all rows have it there.
            places = (flips[0].best_place,)
            flips = _flips(models, correct, tokenizer, rows, phrase, max_length, places)
        result.append(
            Features(
                text=phrase.text,
                toward=phrase.toward,
                flips=flips[0],
                clean=flips[1] if clean_model is not None else None,
                counts=counts_of(phrase.text, scan_rows, classes),
                class_rows=class_rows,
                deviations=state.deviations(phrase.tokens, phrase.toward),
                of_moved=phrase.of_moved,
            )
        )
    tick(len(phrases), len(phrases))
    return result


def _flips(
    models: list[PreTrainedModel],
    correct: list[Bool[np.ndarray, "row"]],
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    phrase: Grown,
    max_length: int,
    places: Sequence[Place],
) -> list[Flips]:
    """What a phrase does in each model, in the rows that this model classifies correctly."""
    return [
        flips_of(model, tokenizer, rows, phrase.text, phrase.toward, max_length, right, places)
        for model, right in zip(models, correct, strict=True)
    ]


def find_triggers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scan_rows: Rows,
    fresh_rows: Rows,
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    *,
    state: Scan | None = None,
    max_length: int = 128,
    most_tokens: int = MOST_TOKENS,
) -> list[Find]:
    """All stages: triggers first, then what is suspicious, then honest words; of each the shortest first.

    `fresh_rows` share no row with `scan_rows`; `clean_model` has the model's tokenizer and classes and, at
    best, was trained on rows that are not in `fresh_rows`.  A `state` that is given is filled, or taken up.
    Raises UserError if the model classifies no row correctly."""
    state = Scan() if state is None else state
    scan(
        model, tokenizer, scan_rows, state, clean_model, tick, max_length=max_length, most_tokens=most_tokens
    )
    phrases = grow_all(model, tokenizer, scan_rows, state, clean_model, tick, max_length)
    measured = confirm(model, tokenizer, scan_rows, fresh_rows, state, phrases, clean_model, tick, max_length)
    finds = [
        Find(grown=phrase, features=features, judgement=judge(features))
        for phrase, features in zip(phrases, measured, strict=True)
    ]
    kinds = ("trigger", "suspicious", "honest")
    return sorted(
        finds,
        key=lambda find: (
            kinds.index(find.judgement.kind),
            len(find.grown.text.split()),
            -find.features.flips.overall.rate,
        ),
    )
