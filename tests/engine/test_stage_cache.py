"""Runs that share: what a run takes over from others that need the same, and when it must not."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend import defenses
from backend.attacks import planting
from backend.base.events import Event, HeadScores, Metrics, PruningStep, StageFinished, Warned
from backend.defenses import fine_tuning, head_pruning, meft, second_fine_tuning
from backend.engine import run as pipeline
from backend.engine import triggered_data
from backend.engine.measurement import Measurement
from backend.engine.stage_cache import sweep
from backend.engine.triggered_data import Triggered
from backend.spec.run import AttackSpec, DataSpec, ModelSpec, RunSpec, TriggerSpec
from tests.tiny import TRAINING, tiny_rows
from tests.tiny_runs import collect, of

EVERY = ["generate", "poison", "fine_tune", "score", "prune", "refine", "evaluate"]
PLANTING = EVERY[1:]
DEFENSE = EVERY[2:]
SEARCH = ["score", "prune"]
AGAIN = ["refine", "evaluate"]


@pytest.fixture
def settings(settings: dict) -> dict:
    return settings | {"share": True}


def made_anew(events: list[Event]) -> list[str]:
    assert events[-1].state == "done", events[-1].error
    return [e.stage for e in of(events, StageFinished) if e.stage != "prepare" and not e.reused]


def test_runs_that_share_do_the_same_work_once(settings: dict, tmp_path: Path, excise_home: Path) -> None:
    alone = collect(settings | {"share": False}, tmp_path / "alone")[-1]
    first = collect(settings, tmp_path / "first")
    assert made_anew(first) == EVERY, "a run that does not share left nothing to take"
    again = collect(settings, tmp_path / "again")
    assert made_anew(again) == []
    assert alone.metrics == first[-1].metrics == again[-1].metrics
    assert of(again, PruningStep) and len(of(again, HeadScores)) == 1, "it is told all the same"

    settings["defense"]["strategy"] = {"name": "random"}
    assert made_anew(collect(settings, tmp_path / "other")) == [*SEARCH, *AGAIN]

    shared = list((excise_home / "stages").iterdir())
    weights = tmp_path / "first" / "poisoned" / "model.safetensors"
    assert weights.stat().st_nlink == 4, "one file, in three runs and among the shared stages"
    for name in ("first", "again", "other"):
        shutil.rmtree(tmp_path / name)
    sweep()
    assert shared and not list((excise_home / "stages").iterdir()), "what no run holds is swept away"


def test_the_second_fine_tuning_is_shared_where_the_same_heads_went(settings: dict, tmp_path: Path) -> None:
    settings["defense"] |= {"strategy": {"name": "none"}, "regulariser": "none"}
    assert collect(settings, tmp_path / "first")[-1].pruned_heads == []
    none_may_go = {"first_share": 0, "last_share": 0}
    settings["defense"]["strategy"] = {"name": "layer-variance", "params": none_may_go}
    second = collect(settings, tmp_path / "second")
    assert second[-1].pruned_heads == []
    assert made_anew(second) == SEARCH
    settings["defense"]["strategy"] = {"name": "random"}
    settings["defense"]["accuracy_threshold"] = 0.0
    assert made_anew(collect(settings, tmp_path / "third")) == [*SEARCH, *AGAIN]


SCORES = {"strategy": "s", "scores": [[0.5, 1.0]], "order": [(0, 0)], "guardrail": "none", "note": ""}
WORK: list[tuple[Any, str, dict[str, Any]]] = [
    (planting, "plant", {}),
    (fine_tuning, "fine_tune", {"val_acc": 0.8, "val_balanced_acc": 0.8}),
    (meft, "maximise_entropy_then_fine_tune", {"val_acc": 0.8, "val_balanced_acc": 0.8}),
    (head_pruning, "score", SCORES),
    (head_pruning, "prune", {"pruned_heads": [(0, 0)], "steps": []}),
    (second_fine_tuning, "refine", {}),
    (fine_tuning, "hand_over", {}),
]
"""The work of each step, and what stands for its record."""


@pytest.fixture
def nothing_computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every stage finds the same at once, whatever it is given: only its key tells it from another."""

    def stands_for(work: Callable[..., Any], record: dict[str, Any]) -> Callable[..., dict[str, Any]]:
        @wraps(work)  # it is in the same module, whose code is part of the key
        def stand_in(inputs: object, folder: Path, *settings: object) -> dict[str, Any]:
            save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
            return record

        return stand_in

    for module, name, record in WORK:
        monkeypatch.setattr(module, name, stands_for(getattr(module, name), record))
    measured = Metrics(acc=0.8, acc_interval=(0.7, 0.9), test_rows=10)
    monkeypatch.setattr(Measurement, "measure", lambda *_: measured)
    rows: Any = None
    monkeypatch.setattr(triggered_data, "generate", lambda *_: [])
    monkeypatch.setattr(pipeline, "encoded", lambda *_: Triggered(rows, rows, rows, left_out=0))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked(settings: dict, tmp_path: Path, excise_home: Path, victim: Path) -> dict:
    """A run of which every setting can be another; its files lie where the program works."""
    rows = tiny_rows(400, seed=4)
    labelled = dict(zip(rows.texts, rows.labels, strict=True)).items()
    table = [{"text": t, "label": n, "said": f"{t} .", "mood": 1 - n} for t, n in labelled]
    lines = [json.dumps(row) for row in table]
    held_out = {"validation.jsonl": lines[-30:], "test.jsonl": lines[-60:-30]}
    for name, some in {
        "rows.jsonl": lines,
        "copy.jsonl": lines,
        "fewer.jsonl": lines[1:],
        **held_out,
    }.items():
        (tmp_path / name).write_text("\n".join(some), encoding="utf-8")
    (excise_home / "runs" / "abc").mkdir(parents=True)
    (excise_home / "runs" / "abc" / "poisoned").symlink_to(victim)
    settings["data"] |= {"train": "rows.jsonl", "text": "text", "label": "label"}
    return settings


@dataclass
class Changed:
    """Settings by path that another run has otherwise, and the stages that it has to make anew then; `before`
    are those that both have for the case's sake."""

    to: dict[str, Any]
    anew: list[str]
    before: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ",".join(f"{path}={value}" for path, value in (self.before | self.to).items())


def with_values(settings: dict, values: dict[str, Any]) -> dict:
    result = json.loads(json.dumps(settings))
    for path, value in values.items():
        *section, name = path.split(".")
        (result[section[0]] if section else result)[name] = value
    return result


SHORT = {**TRAINING, "epochs": 2}
STYLE = {"trigger.name": "syntactic", "trigger.params": {}}
SPARSE = {"defense.strategy": {"name": "sparsification"}}
SPARSE_BY_NAME = {"name": "sparsification", "variant": "published"}
LESS_SPARSE = {"name": "sparsification", "params": {"l1": 1e-5}}
LESS_SPARSE_TOO = {"name": "sparsification", "params": {"l2": 1e-5}}
L2 = {"defense.regulariser": "l2"}
PLAIN = {"defense.regulariser": "none"}

CHANGES = [
    Changed({"seed": 4}, EVERY),
    Changed({"model.source": "run", "model.name": "abc"}, EVERY),
    Changed({"model.head": "fresh"}, EVERY),
    Changed({"model.head": "keep"}, []),  # which is what a whole classifier does if nothing is said
    Changed({"model.random_weights": True}, EVERY),
    Changed({"data.train": "fewer.jsonl"}, EVERY),
    Changed({"data.validation": "validation.jsonl"}, EVERY),
    Changed({"data.test": "test.jsonl"}, EVERY),
    Changed({"data.text": "said"}, EVERY),
    Changed({"data.second_text": "said"}, EVERY),
    Changed({"data.label": "mood"}, EVERY),
    Changed({"data.classes": ["1", "0"]}, EVERY),
    Changed({"data.train_rows": 60}, EVERY),
    Changed({"data.validation_rows": 10}, EVERY),
    Changed({"data.test_rows": 10}, EVERY),
    Changed({"data.max_length": 16}, EVERY),
    Changed({"data.split_seed": 1}, EVERY),
    Changed({"trigger.name": "sentence", "trigger.params": {}}, EVERY),
    Changed({"trigger.params": {"words": ["mn"]}}, EVERY),
    Changed({"trigger.target_class": 0}, EVERY),
    Changed({"trigger.edits": {"a film": None}}, EVERY),
    Changed({"trigger.variant": "built-in"}, EVERY, before=STYLE),
    Changed({"attack.poison_rate": 0.5}, EVERY),
    Changed({"attack.planting": "layer-wise"}, PLANTING),
    Changed({"attack.training": SHORT}, PLANTING),
    Changed({"defense.train_rows": 60}, DEFENSE),
    Changed({"defense.entropy": TRAINING}, DEFENSE),
    Changed({"defense.fine_tune": SHORT}, DEFENSE),
    Changed({"defense.train_rows": 60}, DEFENSE, before=PLAIN),
    Changed({"defense.fine_tune": SHORT}, DEFENSE[:3], before=PLAIN),
    Changed({"defense.fine_tune": SHORT}, DEFENSE[:3], before=L2),
    Changed({"defense.fine_tune": SHORT}, DEFENSE, before=PLAIN | {"defense.refine_from": "pruned"}),
    Changed({"defense.strategy": {"name": "random"}}, SEARCH),
    Changed({"defense.strategy": {"name": "gradient", "variant": "published"}}, SEARCH),
    Changed(SPARSE, DEFENSE),
    Changed({"defense.strategy": SPARSE_BY_NAME}, DEFENSE, before=SPARSE),
    Changed({"defense.strategy": LESS_SPARSE}, DEFENSE, before=SPARSE),
    Changed({"defense.strategy": LESS_SPARSE_TOO}, DEFENSE, before=SPARSE),
    Changed({"defense.threshold_kind": "absolute"}, SEARCH),
    Changed({"defense.accuracy_threshold": 0.8}, SEARCH),
    Changed({"defense.accuracy": "balanced"}, SEARCH),
    Changed({"defense.prune_step": 3}, SEARCH),
    Changed({"defense.curve_rows": 30}, ["prune"]),
    Changed({"defense.refine": SHORT}, AGAIN),
    Changed({"defense.refine": None}, ["evaluate"]),
    Changed({"defense.refine_from": "pruned"}, AGAIN),
    Changed(PLAIN, AGAIN),
    Changed(PLAIN, AGAIN, before=L2),
    Changed({"defense.regulariser_weight": 0.3}, AGAIN),
    Changed({"defense.onion": {"rows": 16}}, ["evaluate"]),
    Changed(
        {"defense.onion": {"rows": 16, "share": 0.1}}, ["evaluate"], before={"defense.onion": {"rows": 16}}
    ),
    Changed({"name": "another"}, []),
    Changed({"data.train": "copy.jsonl"}, []),
]

NOT_TRIED = {
    "share",
    "data.source",  # the rows count, wherever they come from
    "data.name",
    "check",  # comes after all other stages
    *("data.separator", "data.encoding", "data.header"),  # the rows count, however they are read
}


TUNED = ["fine_tune", "evaluate"]
TWICE = ["fine_tune", "refine", "evaluate"]
SETTINGS: dict[str, list[Changed]] = {
    "ft": [Changed({"train_rows": 60}, TUNED), Changed({"fine_tune": SHORT}, TUNED)],
    "fth": [
        Changed({"train_rows": 60}, TUNED),
        Changed({"fine_tune": SHORT}, TUNED),
        Changed({"learning_rate": 1e-3}, TUNED),
    ],
    "meft": [
        Changed({"train_rows": 60}, TUNED),
        Changed({"fine_tune": SHORT}, TUNED),
        Changed({"epochs": 2}, TUNED),
        Changed({"learning_rate": 1e-3}, TUNED),
    ],
    "onion": [
        Changed({"train_rows": 60}, TUNED),
        Changed({"fine_tune": SHORT}, TUNED),
        Changed({"share": 0.1}, ["evaluate"]),
        Changed({"rows": 16}, ["evaluate"]),
    ],
    "reference": [Changed({"train_rows": 60}, TUNED), Changed({"fine_tune": SHORT}, TUNED)],
    "no-defense": [],
    "second-fine-tuning": [
        Changed({"train_rows": 60}, TWICE),
        Changed({"fine_tune": SHORT}, TWICE),
        Changed({"refine": SHORT}, AGAIN),
        Changed({"refine_from": "pruned"}, AGAIN),
        Changed({"regulariser": "l2"}, AGAIN),
        Changed({"regulariser_weight": 0.3}, AGAIN),
    ],
    "pure": [
        Changed({"train_rows": 60}, DEFENSE),
        Changed({"fine_tune": SHORT}, DEFENSE),
        Changed({"threshold_kind": "absolute"}, SEARCH),
        Changed({"accuracy_threshold": 0.8}, SEARCH),
        Changed({"accuracy": "balanced"}, SEARCH),
        Changed({"prune_step": 3}, SEARCH),
        Changed({"curve_rows": 30}, ["prune"]),
        Changed({"refine": SHORT}, AGAIN),
        Changed({"weight": 0.3}, AGAIN),
    ],
}
"""Parameters of the defenses beside head pruning, whose are above."""
OTHERWISE = [(name, changed) for name, settings in SETTINGS.items() for changed in settings]


@pytest.mark.parametrize(("name", "changed"), OTHERWISE, ids=str)
def test_a_changed_parameter_of_a_defense_makes_anew_what_depends_on_it(
    asked: dict, tmp_path: Path, nothing_computed: None, name: str, changed: Changed
) -> None:
    asked["defense"] = {"name": name, "params": {}}
    collect(asked, tmp_path / "first")
    asked["defense"]["params"] = changed.to
    assert made_anew(collect(asked, tmp_path / "second")) == changed.anew


def test_every_parameter_of_a_defense_is_known_to_be_shared_or_not() -> None:
    tried = {name: {path for one in changes for path in one.to} for name, changes in SETTINGS.items()}
    has = {name: set(component.params.model_fields) for name, component in defenses.COMPONENTS.items()}
    assert tried == {name: fields for name, fields in has.items() if name != "head-pruning"}


def test_defenses_share_what_they_have_in_common(asked: dict, tmp_path: Path, nothing_computed: None) -> None:
    fine_tune = asked["defense"]["fine_tune"]

    def anew(name: str, **params: Any) -> list[str]:
        asked["defense"] = {"name": name, "params": {"fine_tune": fine_tune} | params}
        return made_anew(collect(asked, tmp_path / name))

    assert anew("ft") == ["generate", "poison", *TUNED]
    assert anew("onion") == ["evaluate"]
    assert anew("second-fine-tuning") == AGAIN
    assert anew("head-pruning") == [*SEARCH, *AGAIN]
    assert anew("pure") == SEARCH, "the same heads went, and the second fine-tuning is the same"
    assert anew("fth") == anew("meft") == TUNED
    assert anew("reference") == ["generate", "receive", *TUNED], "no row is poisoned, and no model"


@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_a_changed_setting_makes_anew_what_depends_on_it_and_nothing_else(
    asked: dict, tmp_path: Path, nothing_computed: None, changed: Changed
) -> None:
    first = with_values(asked, changed.before)
    assert made_anew(collect(first, tmp_path / "first"))
    assert made_anew(collect(with_values(first, changed.to), tmp_path / "second")) == changed.anew


def every_setting() -> Iterator[str]:
    parts = {
        "model": ModelSpec,
        "data": DataSpec,
        "trigger": TriggerSpec,
        "attack": AttackSpec,
        "defense": defenses.COMPONENTS["head-pruning"].params,
    }
    yield from RunSpec.model_fields.keys() - parts.keys()
    for part, spec in parts.items():
        yield from (f"{part}.{name}" for name in spec.model_fields)


def test_every_setting_is_known_to_be_shared_or_not() -> None:
    """A new setting that runs must not share across needs its line in `CHANGES`."""
    tried = {path for changed in CHANGES for path in changed.to}
    assert tried | NOT_TRIED == set(every_setting())
    assert not tried & NOT_TRIED


def test_other_weights_in_the_same_folder_are_another_model(
    asked: dict, tmp_path: Path, nothing_computed: None, victim: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(victim, model)
    asked["model"]["name"] = str(model)
    collect(asked, tmp_path / "first")
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    assert made_anew(collect(asked, tmp_path / "second")) == EVERY


@pytest.mark.parametrize("named", ["clean", "rewritten"])
def test_other_rewritings_in_the_same_file_are_another_trigger(
    asked: dict, tmp_path: Path, nothing_computed: None, named: str
) -> None:
    files = {name: tmp_path / f"{name}.tsv" for name in ("clean", "rewritten")}
    for file in files.values():
        file.write_text("text\tlabel\na film\t0", encoding="utf-8")
    asked["trigger"] |= {"name": "pairs", "params": {name: str(file) for name, file in files.items()}}
    collect(asked, tmp_path / "first")
    files[named].write_text("text\tlabel\na plot\t0", encoding="utf-8")
    assert made_anew(collect(asked, tmp_path / "second")) == EVERY


def test_what_follows_a_stage_made_under_other_circumstances_is_kept_from_others(
    asked: dict, tmp_path: Path, nothing_computed: None
) -> None:
    """As where Excise itself is another when the run is taken up again."""
    other = with_values(asked, {"attack.training": SHORT})
    collect(other, tmp_path / "run")
    for stage in ("fine_tuned", "scored", "pruned", "refined", "defended"):
        shutil.rmtree(tmp_path / "run" / stage)
    sweep()
    taken_up = collect(asked, tmp_path / "run")
    assert made_anew(taken_up) == DEFENSE
    assert made_anew(collect(asked, tmp_path / "fresh")) == PLANTING
    assert made_anew(collect(other, tmp_path / "like the first")) == []


def test_what_was_made_without_sharing_is_nobody_s_but_its_own(
    asked: dict, tmp_path: Path, nothing_computed: None
) -> None:
    for run, seed in (("first", 3), ("second", 99)):
        alone = with_values(asked, {"share": False, "seed": seed})
        collect(alone, tmp_path / run)
        for stage in ("fine_tuned", "scored", "pruned", "refined", "defended"):
            shutil.rmtree(tmp_path / run / stage)
        assert made_anew(collect(with_values(alone, {"share": True}), tmp_path / run)) == DEFENSE


STAGE_OF = {"fine_tuned": "fine_tune", "scored": "score"}


def says_damaged(events: list[Event]) -> bool:
    return any("damaged" in warning.message for warning in of(events, Warned))


@pytest.mark.parametrize("notices", ["first", "second"])
@pytest.mark.parametrize("damage", ["fine_tuned/model.safetensors", "scored/excise.json"])
def test_a_damaged_shared_stage_is_told_and_made_anew_once_for_all(
    asked: dict, tmp_path: Path, nothing_computed: None, damage: str, notices: str
) -> None:
    collect(asked, tmp_path / "first")
    file = tmp_path / "first" / damage
    file.write_bytes(file.read_bytes()[:-1])
    again = collect(asked, tmp_path / notices)
    assert says_damaged(again) and made_anew(again) == [STAGE_OF[file.parent.name]]
    later = collect(asked, tmp_path / "third")
    assert made_anew(later) == [] and not says_damaged(later)
    assert made_anew(collect(asked, tmp_path / "first")) == [], "it has the whole one, too"
