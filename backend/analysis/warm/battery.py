"""Measure the trigger battery, trigger by trigger (in the warm process; results in `analysis.battery`)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int

from backend.analysis.answers import Place
from backend.analysis.battery import Battery, Role, file_of, read_battery
from backend.analysis.warm.models import LONGEST, open_model
from backend.analysis.warm.rows import run_rows
from backend.base.errors import UserError
from backend.data.labels import align
from backend.data.rows import Dataset, Rows
from backend.data.tokens import encode
from backend.detection.known_triggers import PROBES, as_many_of_each, flips_by_class, triggered_rows
from backend.evaluation.evaluator import predict
from backend.spec.run import RunSpec


@dataclass(frozen=True)
class _Bench:
    """Clean test rows, balanced over the classes where possible, and which of them each model classifies
    correctly; without the models that number their classes otherwise."""

    rows: Rows
    labels: list[str]
    correct: dict[Role, Bool[np.ndarray, " row"]]


def measure_probe(run: str, spec: RunSpec, places: dict[Role, Place], name: str) -> Battery:
    """Put one of `PROBES` into the rows and ask the models at `places`; returns and keeps all results so
    far.  Results of other models are dropped.

    Raises UserError if a model or the rows are gone, or there is no such probe."""
    if name not in PROBES:
        raise UserError(f"The battery has no trigger {name!r}. It has: {', '.join(PROBES)}.")
    bench = _bench(run, spec.model_dump_json(), tuple(sorted(places.items())))
    battery = read_battery(run)
    if battery is None or battery.places != places:
        battery = Battery(places=places, rows=len(bench.rows))
    try:
        triggered, changed = triggered_rows(bench.rows, PROBES[name][1], spec.seed)
    except UserError as error:
        battery.skipped[name] = str(error)
    else:
        battery.probes[name] = {
            role: flips_by_class(
                _predictions(place, triggered, spec.data.max_length),
                triggered.labels,
                bench.correct[role][changed],
                bench.labels,
            )
            for role, place in places.items()
            if role in bench.correct
        }
    file = file_of(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(battery.model_dump_json(), encoding="utf-8")
    part.replace(file)
    return battery


def _predictions(place: Place, rows: Rows, max_length: int) -> Int[np.ndarray, " row"]:
    loaded = open_model(*place)
    return predict(loaded.model, encode(loaded.tokenizer, rows, min(max_length, LONGEST)))


@lru_cache(maxsize=1)
def _bench(run: str, settings: str, places: tuple[tuple[Role, Place], ...]) -> _Bench:
    spec = RunSpec.model_validate_json(settings)
    # Only the clean rows are read: the battery does not know the run's own trigger.
    blind = {"trigger": None, "attack": None}
    dataset = run_rows(run, spec.model_copy(update=blind)).clean_data.dataset
    rows = dataset.test.take(as_many_of_each(dataset.test.labels, len(dataset.label_names), spec.seed))
    correct = {
        role: _predictions(place, rows, spec.data.max_length) == np.array(rows.labels)
        for role, place in places
        if numbered_alike(open_model(*place).label_names, dataset)
    }
    if not correct:
        classes = ", ".join(dataset.label_names)
        raise UserError(
            f"The run's models have different classes from its data ({classes}), so flips towards a class "
            "cannot be counted."
        )
    return _Bench(rows, dataset.label_names, correct)


def numbered_alike(names: list[str], dataset: Dataset) -> bool:
    """Whether a model has the data's classes in the data's order, by their names."""
    try:
        return align(dataset, names)[0].test.labels == dataset.test.labels
    except UserError:
        return False
