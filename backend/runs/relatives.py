"""Other runs that a run's numbers are read beside: its never-poisoned reference, and its other seeds."""

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
"""Runs that are looked through, the newest first."""


def stamp(store: Store) -> tuple[int, float]:
    """Another one whenever a run is done or a done one is deleted, so that what is read beside a run may have
    changed; cheaper than looking through them."""
    query = sa.select(sa.func.count(), sa.func.max(RUNS.c.finished)).where(RUNS.c.state == "done")
    with store.reading() as connection:
        many, newest = connection.execute(query).one()
    return int(many), float(newest or 0.0)


def never_poisoned(store: Store, record: RunRecord) -> list[Metrics]:
    """The numbers of a run's never-poisoned references: of finished runs that fine-tuned the same model
    without planting anything, on the same data, trigger and seed.  Those that were fine-tuned as the run was
    come first, and of these the newest."""
    spec = _planted_spec(store, record)
    if spec is None or spec.trigger is None:
        return []
    wanted, mine = _origin(spec), _first_fine_tuning(record)
    references: list[tuple[bool, Metrics]] = []
    for other in store.runs(LATEST, states=["done"]):
        if other.spec is None or other.spec.attack is not None or _origin(other.spec) != wanted:
            continue
        found = _fine_tuned(other)
        if found is not None and found.lfr is not None:
            references.append((_first_fine_tuning(other) != mine, found))
    return [found for _, found in sorted(references, key=lambda one: one[0])]


def _first_fine_tuning(run: RunRecord) -> Any:
    """How its defense begins: the step that fine-tunes on clean rows."""
    steps = planned(defenses.steps_of(run.spec.defense)) if run.spec and run.spec.defense else []
    return next(((step.work, step.settings) for step in steps if step.model == "fine_tuned"), None)


def _fine_tuned(run: RunRecord) -> Metrics | None:
    """Of its model after the first fine-tuning, whatever was pruned or filtered then; None where it was more
    than that."""
    params = run.spec.defense_params if run.spec is not None else None
    if run.summary is None or params is None or not params.begins_plainly:
        return None
    return run.summary.metrics.get("fine_tuned")


def never_poisoned_model(store: Store, record: RunRecord) -> RunRecord | None:
    """The newest finished run that fine-tuned the same model on the same data without planting anything,
    and left that model; one of the same seed before others; None if there is none."""
    spec = _planted_spec(store, record)
    if spec is None:
        return None
    found = [
        other
        for other in store.runs(LATEST, states=["done"])
        if other.spec is not None
        and other.spec.attack is None
        and (other.spec.model, other.spec.data) == (spec.model, spec.data)
        and (run_folder(other.id) / "fine_tuned" / "config.json").is_file()
    ]
    same_seed = [other for other in found if other.spec is not None and other.spec.seed == spec.seed]
    return next(iter(same_seed + found), None)


def never_poisoned_spec(store: Store, record: RunRecord) -> RunSpec | None:
    """What to run to get such a model; None where it is not known what the victim was before."""
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
    """The specification that planted what the run defends: its own, or that of its victim's run.  None where
    nothing is known to be planted, or it was planted in the model of yet another run, poisoned perhaps."""
    spec = record.spec
    if spec is not None and spec.attack is None and spec.model.source == "run":
        try:
            spec = store.run(spec.model.name).spec
        except UserError:  # it was deleted
            return None
    return spec if spec is not None and spec.attack is not None and spec.model.source != "run" else None


def _origin(spec: RunSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", include={"model", "data", "trigger", "seed"})


def of_other_seeds(store: Store, record: RunRecord) -> list[Metrics]:
    """The last numbers of this run and of finished ones that differ from it in their seed alone; empty if
    there is no other."""
    if record.spec is None or record.final_metrics is None:
        return []
    wanted = _but_seed(record.spec)
    others = {
        other.spec.seed: other.final_metrics
        for other in reversed(store.runs(LATEST, states=["done"]))
        if other.spec is not None and other.final_metrics is not None and _but_seed(other.spec) == wanted
    }
    return list(({record.spec.seed: record.final_metrics} | others).values()) if len(others) > 1 else []


def _but_seed(spec: RunSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude={"seed", "name", "share"})
