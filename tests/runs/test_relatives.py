"""Runs that a run is read beside."""

from pathlib import Path

import pytest

from backend.base.paths import run_folder
from backend.findings.gather import gather
from backend.report.verdict import headline
from backend.runs.relatives import (
    never_poisoned,
    never_poisoned_model,
    never_poisoned_spec,
    of_other_seeds,
    stamp,
)
from backend.runs.store import open_store
from backend.spec.presets import head_pruning
from backend.spec.run import DataSpec, ModelSpec, RunSpec, TriggerSpec
from tests.pages.played import Play, attack_spec, defended, full_spec, planted


def with_seed(spec: RunSpec, seed: int) -> RunSpec:
    return spec.model_copy(update={"seed": seed})


def test_the_reference_is_of_the_same_rows_and_seed(excise_home: Path) -> None:
    store = open_store()
    honest = full_spec().model_copy(update={"attack": None})
    run = store.run(defended(store))
    assert never_poisoned(store, run) == []
    defended(store, with_seed(honest, 99))
    assert never_poisoned(store, run) == [], "another seed has other rows"
    assert honest.defense is not None
    unsure = head_pruning(**honest.defense.params | {"entropy": honest.setting("fine_tune")})
    defended(store, honest.model_copy(update={"defense": unsure}))
    assert never_poisoned(store, run) == [], "its fine-tuning is another"
    play = Play(store, honest)
    play.prepare()
    play.prune()
    fine_tuned = play.done["fine_tuned"]
    play.done["defended"] = fine_tuned.model_copy(update={"lfr": 0.99})
    play.finish()
    assert never_poisoned(store, run) == [fine_tuned], "not what was pruned later"
    poor = head_pruning(**honest.defense.params | {"train_rows": 64})
    few = Play(store, honest.model_copy(update={"defense": poor}))
    few.prepare()
    few.prune()
    few.done["fine_tuned"] = fine_tuned.model_copy(update={"acc": 0.6, "acc_interval": (0.55, 0.65)})
    few.finish()
    assert [found.acc for found in never_poisoned(store, run)] == [fine_tuned.acc, 0.6], "alike first"
    said = gather(store, run).verdict
    assert said is not None and "a never-poisoned model" in headline(said)
    store.delete(play.run)
    said = gather(store, run).verdict
    assert said is not None and "never-poisoned" not in headline(said), "what it calls rows is no floor"


OTHERS = {
    "trigger": TriggerSpec(name="sentence"),
    "target class": TriggerSpec(name="rare-words", target_class=0),
    "words": TriggerSpec(name="rare-words", params={"words": ["zx"]}),
    "data": DataSpec(train_rows=100),
    "model": ModelSpec(random_weights=True),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_run_of_another_trigger_or_data_or_model_is_no_reference(excise_home: Path, what: str) -> None:
    store = open_store()
    run = store.run(defended(store))
    honest = full_spec().model_copy(update={"attack": None})
    part = what if what in ("data", "model") else "trigger"
    assert OTHERS[what] != getattr(honest, part)
    other = defended(store, honest.model_copy(update={part: OTHERS[what]}))
    leave_model(other)
    assert never_poisoned(store, run) == []
    model = never_poisoned_model(store, run)
    assert model == (store.run(other) if part == "trigger" else None), "any trigger can be tried on a model"
    defended(store, honest)
    assert len(never_poisoned(store, run)) == 1, "but one that differs in nothing is"


@pytest.mark.parametrize(
    ("model", "heads"),
    [
        ({}, ("auto", "fresh")),
        ({"source": "folder", "name": "/whole"}, ("auto", "keep")),
        ({"source": "folder", "name": "/whole"}, ("keep", "auto")),
    ],
)
def test_a_head_that_is_kept_by_default_is_as_one_that_was_to_be_kept(
    excise_home: Path, model: dict[str, str], heads: tuple[str, str]
) -> None:
    store = open_store()
    one, other = (ModelSpec.model_validate(model | {"head": head}) for head in heads)
    run = store.run(defended(store, full_spec().model_copy(update={"model": one})))
    clean = full_spec().model_copy(update={"attack": None})
    fresh = ModelSpec.model_validate(model | {"head": "fresh"})
    if other != fresh:
        defended(store, clean.model_copy(update={"model": fresh}))
        assert never_poisoned(store, run) == []
    reference = defended(store, clean.model_copy(update={"model": other}))
    leave_model(reference)
    assert len(never_poisoned(store, run)) == 1
    assert never_poisoned_model(store, run) == store.run(reference)


def test_the_stamp_changes_with_every_run_that_is_done_or_deleted(excise_home: Path) -> None:
    store = open_store()
    first = stamp(store)
    one = defended(store)
    second = stamp(store)
    defended(store)
    third = stamp(store)
    store.submit(full_spec())
    assert len({first, second, third}) == 3 and stamp(store) == third, "a queued run changes nothing"
    store.delete(one)
    assert stamp(store) not in (second, third)


def test_a_victim_of_another_run_has_that_run_s_reference(excise_home: Path) -> None:
    store = open_store()
    victim = planted(store)
    later = full_spec().model_copy(update={"attack": None, "model": ModelSpec(source="run", name=victim)})
    run = store.run(defended(store, later))
    assert never_poisoned(store, run) == []
    honest = attack_spec().model_copy(update={"attack": None, "defense": full_spec().defense})
    defended(store, honest)
    assert len(never_poisoned(store, run)) == 1
    gone = later.model_copy(update={"model": ModelSpec(source="run", name="gone")})
    assert never_poisoned(store, store.run(defended(store, gone))) == []


def test_a_model_of_another_run_is_not_known_to_be_unpoisoned(excise_home: Path) -> None:
    store = open_store()
    first = ModelSpec(source="run", name=planted(store))
    second = full_spec().model_copy(update={"model": first})
    run = store.run(defended(store, second))
    again = defended(store, second.model_copy(update={"attack": None}))
    leave_model(again)
    assert never_poisoned(store, run) == [] and never_poisoned_model(store, run) is None
    assert never_poisoned_spec(store, run) is None


def test_other_seeds_are_runs_of_the_same_settings(excise_home: Path) -> None:
    store = open_store()
    first = store.run(defended(store, with_seed(full_spec(), 1)))
    assert of_other_seeds(store, first) == []
    defended(store, with_seed(full_spec("named otherwise"), 2))
    changed = full_spec().model_copy(deep=True)
    assert changed.defense is not None
    changed.defense.params["prune_step"] = changed.setting("prune_step") + 1
    defended(store, with_seed(changed, 3))
    assert len(of_other_seeds(store, first)) == 2


def test_a_model_that_was_never_poisoned_may_be_of_another_seed_and_trigger(excise_home: Path) -> None:
    store = open_store()
    run = store.run(defended(store))
    assert never_poisoned_model(store, run) is None
    asked = never_poisoned_spec(store, run)
    assert asked is not None and asked.attack is None and asked.defense is not None
    assert asked.defense.name == "reference" and asked.trigger == full_spec().trigger
    other = defended(store, with_seed(asked, 99).model_copy(update={"trigger": None}))
    assert never_poisoned_model(store, run) is None, "it left no model"
    leave_model(other)
    assert never_poisoned_model(store, run) == store.run(other)
    same = defended(store, asked)
    leave_model(same)
    leave_model(defended(store, with_seed(asked, 100)))
    assert never_poisoned_model(store, run) == store.run(same), "the same seed before a newer run"
    changed = asked.model_copy(update={"data": asked.data.model_copy(update={"train_rows": 100})})
    assert never_poisoned_spec(store, store.run(defended(store, changed))) is None


def leave_model(run: str) -> None:
    folder = run_folder(run) / "fine_tuned"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
