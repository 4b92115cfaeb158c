"""Measure the trigger battery, trigger by trigger (in the warm process; results in `battery`)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int

from backend.analysis.answers import Place
from backend.analysis.battery import (
    MOST_ROWS,
    PROBES,
    ROWS_PER_CLASS,
    Battery,
    Flips,
    Role,
    file_of,
    read_battery,
)
from backend.analysis.warm.models import LONGEST, open_model
from backend.analysis.warm.rows import run_rows
from backend.attacks.triggers import bind
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.base.intervals import wilson
from backend.data.labels import align
from backend.data.rows import Dataset, Rows
from backend.data.tokens import encode
from backend.evaluation.evaluator import predict
from backend.spec.run import RunSpec


@dataclass(frozen=True)
class _Bench:
    """Clean test rows, as many of each class where there are, and which of them each model calls right that
    numbers its classes as they do."""

    rows: Rows
    labels: list[str]
    right: dict[Role, Bool[np.ndarray, " row"]]


def measure_probe(run: str, spec: RunSpec, places: dict[Role, Place], name: str) -> Battery:
    """Put one of `PROBES` into the rows and ask the models at `places`; gives back all that is known by now,
    which is kept.  What was measured of other models is forgotten.

    Raises UserError if a model or the rows are gone, or there is no such probe."""
    if name not in PROBES:
        raise UserError(f"The battery has no trigger {name!r}. It has: {', '.join(PROBES)}.")
    bench = _bench(run, spec.model_dump_json(), tuple(sorted(places.items())))
    found = read_battery(run)
    if found is None or found.places != places:
        found = Battery(places=places, rows=len(bench.rows))
    try:
        made = bind(PROBES[name][1], spec.seed)(bench.rows.texts)
    except UserError as error:
        found.skipped[name] = str(error)
    else:
        changed = np.array([text is not None for text in made])
        triggered = bench.rows.with_texts([text or "" for text in made]).take(
            np.flatnonzero(changed).tolist()
        )
        found.probes[name] = {
            role: _flips(bench, role, changed, _called(place, triggered, spec.data.max_length))
            for role, place in places.items()
            if role in bench.right
        }
    file = file_of(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(found.model_dump_json(), encoding="utf-8")
    part.replace(file)
    return found


def _flips(
    bench: _Bench, role: Role, changed: Bool[np.ndarray, " row"], called: Int[np.ndarray, " changed"]
) -> dict[str, Flips]:
    right = bench.right[role][changed]
    truth = np.array(bench.rows.labels)[changed]
    found = {}
    for number, label in enumerate(bench.labels):
        others = right & (truth != number)
        if rows := int(others.sum()):
            flips = int((called[others] == number).sum())
            found[label] = Flips(flips=flips, rows=rows, interval=wilson(flips, rows))
    return found


def _called(place: Place, rows: Rows, max_length: int) -> Int[np.ndarray, " row"]:
    opened = open_model(*place)
    return predict(opened.model, encode(opened.tokenizer, rows, min(max_length, LONGEST)))


@lru_cache(maxsize=1)
def _bench(run: str, settings: str, places: tuple[tuple[Role, Place], ...]) -> _Bench:
    spec = RunSpec.model_validate_json(settings)
    # The clean rows alone are asked for: nothing here knows the run's own trigger.
    blind = {"trigger": None, "attack": None, "defense": spec.defense or Choice(name="ft")}
    dataset = run_rows(run, spec.model_copy(update=blind)).clean_data.dataset
    rows = dataset.test.take(as_many_of_each(dataset.test.labels, len(dataset.label_names), spec.seed))
    right = {
        role: _called(place, rows, spec.data.max_length) == np.array(rows.labels)
        for role, place in places
        if numbered_alike(open_model(*place).label_names, dataset)
    }
    if not right:
        classes = ", ".join(dataset.label_names)
        raise UserError(
            f"The run's models tell other classes apart than its rows have ({classes}), so nothing can be "
            "said of where a trigger sends them."
        )
    return _Bench(rows, dataset.label_names, right)


def numbered_alike(names: list[str], dataset: Dataset) -> bool:
    """Whether a model's classes, by their names, are the rows' in the rows' order."""
    try:
        return align(dataset, names)[0].test.labels == dataset.test.labels
    except UserError:
        return False


def as_many_of_each(labels: list[int], classes: int, seed: int) -> list[int]:
    """Row numbers, at most `ROWS_PER_CLASS` of each class and about `MOST_ROWS` in all, in their order."""
    most = max(1, min(ROWS_PER_CLASS, MOST_ROWS // classes))
    order = np.random.default_rng(seed).permutation(len(labels))
    kept = [order[np.array(labels)[order] == number][:most] for number in range(classes)]
    return sorted(np.concatenate(kept).tolist())
