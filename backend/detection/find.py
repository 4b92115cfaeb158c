"""What a scan found: grown to phrases, confirmed in rows that it did not see, and judged."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.components import Choice
from backend.base.events import Judgement
from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.detection.confirm import (
    Flips,
    Share,
    balanced,
    classified_correctly,
    counts_of,
    flips_of,
    leaving,
)
from backend.detection.insertions import PLACES, Place
from backend.detection.known_triggers import as_many_of_each, triggered_rows
from backend.detection.moved import Moved
from backend.detection.rules import Features, judge
from backend.detection.scanning import same_words
from backend.detection.search import NOT_KNOWN, Grown, grow
from backend.detection.token_scan import CHOSEN_FROM, Scan, hard_slot, stages_of
from backend.detection.tried import Suspect, try_rows
from backend.detection.vocabulary import vocabulary_of

MOST_FRESH_ROWS = 200
BOUND = 0.9
"""A phrase that flips less than this, but as much at one place, is tried in all rows at that place."""
SEED = 0
JUDGED: dict[str, Judgement] = {"trigger": "trigger", "suspicious": "suspicious", "honest": "harmless"}


def grow_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scan_rows: Rows,
    state: Scan,
    clean_model: PreTrainedModel | None = None,
    tick: Tick = no_tick,
    max_length: int = 128,
    moved: Moved = NOT_KNOWN,
) -> list[Grown]:
    """The strongest phrases toward each class.  `state` is the whole scan of these rows; `moved` says
    which tokens moved since the base model, if that is known."""
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
        features = Features(
            text=phrase.text,
            toward=phrase.toward,
            flips=flips[0],
            clean=flips[1] if clean_model is not None else None,
            counts=counts_of(phrase.text, scan_rows, classes),
            class_rows=class_rows,
            of_moved=phrase.of_moved,
        )
        if features.of_the_class:
            leave = leaving(model, tokenizer, phrase.text, scan_rows, phrase.toward, max_length)
            features = features.model_copy(update={"without": leave})
        result.append(features)
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


def evidence_of(
    suspect: Suspect,
    state: Scan,
    scan_rows: Rows,
    fresh_rows: Rows,
    names: list[str],
    moved: Moved,
    tick: Tick,
) -> Iterator[tuple[dict[str, Any], Judgement, str]]:
    """Each find of the scan with its counts and examples in fresh rows, and what it is judged, and why."""

    def check(*_: int) -> None:
        tick(0, 1)

    model, tokenizer, clean = suspect.model, suspect.tokenizer, same_words(suspect)
    phrases = grow_all(model, tokenizer, scan_rows, state, clean, check, suspect.max_length, moved)
    measured = confirm(model, tokenizer, scan_rows, fresh_rows, phrases, clean, check, suspect.max_length)
    rows = fresh_rows.take(as_many_of_each(fresh_rows.labels, len(names), SEED))
    bench = suspect.bench(rows, names, check)
    for done, features in enumerate(measured):
        tick(done, len(measured))
        if not features.flips.overall.rows:
            continue
        judgement, examples = judge(features), []
        if judgement.kind != "honest" or features.clean is None:
            triggered, changed = triggered_rows(rows, _between_words(features.text), SEED)
            fields = try_rows(suspect, bench, triggered, changed, check, features.toward)
            examples = fields.get("examples", [])
            if features.clean is None and fields.get("clean_rows"):
                # The clean model has other tokens, but reads the same texts.
                features = features.model_copy(update={"clean": _clean_flips(fields)})
                judgement = judge(features)
        yield (
            _fields(suspect, features, names) | {"examples": examples},
            JUDGED[judgement.kind],
            judgement.reason,
        )
    tick(len(measured), len(measured))


def _fields(suspect: Suspect, features: Features, names: list[str]) -> dict[str, Any]:
    """The fields of the event: the counts that are judged."""
    own = features.flips.overall
    clean = features.clean.overall if features.clean is not None else None
    known = clean is not None and clean.rows > 0
    return {
        "text": f"“{features.text}”",
        "toward": names[features.toward],
        "flips": own.flips,
        "rows": own.rows,
        "interval": own.interval,
        "clean_flips": clean.flips if clean and known else None,
        "clean_rows": clean.rows if clean and known else None,
        "clean_interval": clean.interval if clean and known else None,
        "clean_model": suspect.clean.about if suspect.clean and known else "",
        "of_moved": features.of_moved,
    }


def _clean_flips(fields: dict[str, Any]) -> Flips:
    share = Share(**{name: fields[f"clean_{name}"] for name in ("flips", "rows", "interval")})
    return Flips(overall=share, by_place={})


def _between_words(text: str) -> Choice:
    """The trigger that puts the text somewhere among the words of a row."""
    return Choice(name="sentence", params={"sentence": text, "position": "between words"})
