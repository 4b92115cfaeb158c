"""Runs to compare a run with: its never-poisoned reference, and the same run with other seeds."""

from typing import Any

import sqlalchemy as sa

from backend import defenses
from backend.base.errors import UserError
from backend.base.events import Metrics
from backend.base.paths import run_folder
from backend.base.steps import planned
from backend.runs.records import RunRecord
from backend.runs.schema import RUNS
from backend.runs.store import Store
from backend.spec.parse import parse
from backend.spec.run import RunSpec

LATEST = 300
"""How many runs are searched, the newest first."""


def stamp(store: Store) -> tuple[int, float]:
    """A value that changes whenever a run is done or a done run is deleted, so that the runs to compare with
    may have changed; cheaper than searching them."""
    query = sa.select(sa.func.count(), sa.func.max(RUNS.c.finished)).where(RUNS.c.state == "done")
    with store.reading() as connection:
        number, newest = connection.execute(query).one()
    return int(number), float(newest or 0.0)


def never_poisoned(store: Store, record: RunRecord) -> list[Metrics]:
    """The metrics of a run's never-poisoned references: finished runs that fine-tuned the same model without
    planting anything, with the same data, trigger and seed.  Those with the run's own fine-tuning settings
    come first, and of these the newest."""
    spec = _planted_spec(store, record)
    if spec is None or spec.trigger is None:
        return []
    origin, fine_tuning = _origin(spec), _first_fine_tuning(record)
    references: list[tuple[bool, Metrics]] = []
    for other in store.runs(LATEST, states=["done"]):
        if other.spec is None or other.spec.attack is not None or _origin(other.spec) != origin:
            continue
        metrics = _fine_tuned(other)
        if metrics is not None and metrics.lfr is not None:
            references.append((_first_fine_tuning(other) != fine_tuning, metrics))
    return [metrics for _, metrics in sorted(references, key=lambda reference: reference[0])]


def _first_fine_tuning(run: RunRecord) -> Any:
    """How its defense begins: the step that fine-tunes on clean rows."""
    steps = planned(defenses.steps_of(run.spec.defense)) if run.spec and run.spec.defense else []
    return next(((step.work, step.settings) for step in steps if step.model), None)


def _fine_tuned(run: RunRecord) -> Metrics | None:
    """The metrics of its model after a plain first fine-tuning, whatever was pruned or filtered later; None
    if its defense begins otherwise."""
    params = run.spec.defense_params if run.spec is not None else None
    if run.summary is None or params is None or not params.begins_plainly:
        return None
    return run.summary.metrics.get("fine_tuned")


def never_poisoned_model(store: Store, record: RunRecord) -> RunRecord | None:
    """The newest finished run that fine-tuned the same model on the same data without planting anything,
    and still has that model; the same seed is preferred; None if there is none."""
    spec = _planted_spec(store, record)
    if spec is None:
        return None
    candidates = [
        other
        for other in store.runs(LATEST, states=["done"])
        if other.spec is not None
        and other.spec.attack is None
        and _same_model_and_data(other.spec, spec)
        and (run_folder(other.id) / "fine_tuned" / "config.json").is_file()
    ]
    same_seed = [other for other in candidates if other.spec is not None and other.spec.seed == spec.seed]
    return next(iter(same_seed + candidates), None)


def never_poisoned_spec(store: Store, record: RunRecord) -> RunSpec | None:
    """The specification of a run that makes such a model; None if the victim's origin is unknown."""
    spec = _planted_spec(store, record)
    if spec is None:
        return None
    defense = spec.defense or (record.spec.defense if record.spec is not None else None)
    kind = defenses.never_poisoned()
    params = defense.params if defense is not None else {}
    shared = {name: params[name] for name in kind.params.model_fields if name in params}
    choice = {"name": kind.name, "params": shared}
    return parse(spec.model_dump(mode="json") | {"name": "", "defense": choice})


def _planted_spec(store: Store, record: RunRecord) -> RunSpec | None:
    """The specification that planted the backdoor: the run's own, or that of its victim's run.  None if no
    planting is known, or if it started from the model of yet another run, which may be poisoned."""
    spec = record.spec
    if spec is not None and spec.attack is None and spec.model.source == "run":
        try:
            spec = store.run(spec.model.name).spec
        except UserError:  # it was deleted
            return None
    return spec if spec is not None and spec.attack is not None and spec.model.source != "run" else None


def _origin(spec: RunSpec) -> dict[str, Any]:
    return _with_plain_head(spec).model_dump(mode="json", include={"model", "data", "trigger", "seed"})


def _same_model_and_data(one: RunSpec, other: RunSpec) -> bool:
    one, other = _with_plain_head(one), _with_plain_head(other)
    return (one.model, one.data) == (other.model, other.data)


def _with_plain_head(spec: RunSpec) -> RunSpec:
    """With `keep` for `auto`, which asks for the same wherever a run with `keep` can finish: of a model that
    has no head, a stored run says `fresh`."""
    model = spec.model
    if model.head != "auto":
        return spec
    head = "fresh" if model.source == "embedded" or model.random_weights else "keep"
    return spec.model_copy(update={"model": model.model_copy(update={"head": head})})


def of_other_seeds(store: Store, record: RunRecord) -> list[Metrics]:
    """The final metrics of this run and of finished runs that differ only in the seed; empty if there is no
    other."""
    if record.spec is None or record.final_metrics is None:
        return []
    settings = _without_seed(record.spec)
    others = {
        other.spec.seed: other.final_metrics
        for other in reversed(store.runs(LATEST, states=["done"]))
        if other.spec is not None
        and other.final_metrics is not None
        and _without_seed(other.spec) == settings
    }
    return list(({record.spec.seed: record.final_metrics} | others).values()) if len(others) > 1 else []


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    return _with_plain_head(spec).model_dump(mode="json", exclude={"seed", "name", "share"})
