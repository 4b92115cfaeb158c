"""Runs that a run is read beside."""

from pathlib import Path

from backend.runs.relatives import never_poisoned, of_other_seeds
from backend.runs.store import open_store
from backend.spec import ModelSpec, RunSpec
from tests.pages.played import attack_spec, defended, full_spec, planted


def with_seed(spec: RunSpec, seed: int) -> RunSpec:
    return spec.model_copy(update={"seed": seed})


def test_the_reference_is_of_the_same_rows_and_seed(excise_home: Path) -> None:
    store = open_store()
    honest = full_spec().model_copy(update={"attack": None})
    run = store.run(defended(store))
    assert never_poisoned(store, run) is None
    defended(store, with_seed(honest, 99))
    assert never_poisoned(store, run) is None, "another seed has other rows"
    defended(store, honest)
    assert never_poisoned(store, run) is not None


def test_a_victim_of_another_run_has_that_run_s_reference(excise_home: Path) -> None:
    store = open_store()
    victim = planted(store)
    later = full_spec().model_copy(update={"attack": None, "model": ModelSpec(source="run", name=victim)})
    run = store.run(defended(store, later))
    assert never_poisoned(store, run) is None
    honest = attack_spec().model_copy(update={"attack": None, "defense": full_spec().defense})
    defended(store, honest)
    assert never_poisoned(store, run) is not None
    gone = later.model_copy(update={"model": ModelSpec(source="run", name="gone")})
    assert never_poisoned(store, store.run(defended(store, gone))) is None


def test_other_seeds_are_runs_of_the_same_settings(excise_home: Path) -> None:
    store = open_store()
    first = store.run(defended(store, with_seed(full_spec(), 1)))
    assert of_other_seeds(store, first) == []
    defended(store, with_seed(full_spec("named otherwise"), 2))
    changed = full_spec().model_copy(deep=True)
    assert changed.defense is not None
    changed.defense.prune_step += 1
    defended(store, with_seed(changed, 3))
    assert len(of_other_seeds(store, first)) == 2
