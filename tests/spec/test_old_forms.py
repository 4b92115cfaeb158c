"""Specifications in the form of earlier versions mean what they meant, and `--set` reaches what it did."""

from typing import Any

import pytest

from backend.base.errors import UserError
from backend.spec.overrides import changed
from backend.spec.parse import parse
from backend.spec.presets import preset
from backend.spec.run import RunSpec
from tests.frozen.doors import dump

PLANTED = {"trigger": {"name": "rare-words"}, "attack": {}}
NONE = {"strategy": {"name": "none"}, "refine": None}
FAST = {
    "epochs": 2,
    "learning_rate": 0.001,
    "batch_size": 8,
    "max_grad_norm": 0.5,
    "warmup": 0.0,
    "weight_decay": 0.0,
}
WHOLE = {
    "epochs": 3,
    "learning_rate": 2e-5,
    "batch_size": 32,
    "max_grad_norm": 1.0,
    "warmup": 0.0,
    "weight_decay": 0.0,
}


def read(defense: Any) -> RunSpec:
    return parse(PLANTED | {"defense": defense})


OLD: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "head-pruning", {"strategy": {"name": "gradient", "variant": None, "params": {}}, "refine": WHOLE}),
    ({"prune_step": 3, "refine": None}, "head-pruning", {"prune_step": 3, "refine": None}),
    ({"entropy": FAST, "onion": {"rows": 20}}, "head-pruning", {"entropy": FAST}),
    (NONE, "ft", {"fine_tune": WHOLE, "train_rows": None}),
    (NONE | {"fine_tune": FAST, "train_rows": 50}, "ft", {"fine_tune": FAST, "train_rows": 50}),
    (NONE | {"onion": {"share": 0.2}, "train_rows": 50}, "onion", {"share": 0.2, "train_rows": 50}),
    (NONE | {"onion": {}}, "onion", {"share": 0.05, "rows": 100}),
    (NONE | {"entropy": {}}, "meft", {"epochs": 3, "learning_rate": 2e-5}),
    (NONE | {"entropy": {"learning_rate": 0.01}}, "meft", {"epochs": 3, "learning_rate": 0.01}),
    (
        NONE
        | {
            "entropy": {
                "epochs": 1,
                "batch_size": 8,
                "max_grad_norm": 0.5,
                "warmup": 0.0,
                "weight_decay": 0.0,
            },
            "fine_tune": FAST,
        },
        "meft",
        {"epochs": 1, "learning_rate": 2e-5, "fine_tune": FAST},
    ),
    (
        {"strategy": {"name": "none"}, "fine_tune": FAST},
        "second-fine-tuning",
        {"fine_tune": FAST, "refine": WHOLE, "regulariser": "attention-normalisation"},
    ),
    (
        {"strategy": {"name": "none"}, "refine": FAST, "refine_from": "pruned", "regulariser": "l2"},
        "second-fine-tuning",
        {"refine": FAST, "refine_from": "pruned", "regulariser": "l2"},
    ),
]


@pytest.mark.parametrize(("old", "name", "params"), OLD)
def test_an_old_defense_is_read_as_what_it_was(
    old: dict[str, Any], name: str, params: dict[str, Any]
) -> None:
    spec = read(old)
    assert spec.defense is not None and spec.defense.name == name
    assert {param: spec.defense.params[param] for param in params} == params
    assert parse(dump(spec)) == spec, "it is written and read as it is now"


@pytest.mark.parametrize(
    "old",
    [
        NONE | {"entropy": FAST},  # its batches are not those of the fine-tuning
        NONE | {"entropy": {}, "onion": {}},
        {"strategy": {"name": "none"}, "entropy": {}},
        {"strategy": {"name": "none"}, "onion": {}},
    ],
)
def test_what_no_defense_alone_does_stays_head_pruning_without_pruning(old: dict[str, Any]) -> None:
    spec = read(old)
    assert spec.defense is not None and spec.defense.name == "head-pruning"
    assert spec.setting("strategy").name == "none"
    for part in ("entropy", "onion"):
        assert (spec.setting(part) is None) == (part not in old)
    if "entropy" in old:
        assert spec.setting("entropy").model_dump() == WHOLE | old["entropy"]


def test_settings_beside_a_name_are_laid_over_its_parameters() -> None:
    spec = read({"name": "ft", "train_rows": 60, "params": {"train_rows": 50, "fine_tune": {"epochs": 2}}})
    assert spec.setting("train_rows") == 60 and spec.setting("fine_tune").epochs == 2
    spec = read({"name": "fth", "fine_tune": {"epochs": 1}, "params": {"fine_tune": {"batch_size": 8}}})
    assert spec.setting("fine_tune").model_dump() == WHOLE | {"epochs": 1, "batch_size": 8}


DEMO = preset("demo")
STRATEGY = {"name": "hybrid", "variant": None, "params": {"learned": True}}


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        (["defense.prune_step=2"], {"prune_step": 2}),
        (["defense.params.prune_step=2"], {"prune_step": 2}),
        (["defense.strategy.name=random"], {"strategy": {"name": "random", "variant": None, "params": {}}}),
        (["defense.strategy={name: hybrid, params: {learned: true}}"], {"strategy": STRATEGY}),
        (
            ["defense.strategy={name: hybrid, params: {learned: true}}", "defense.strategy.params={}"],
            {"strategy": STRATEGY | {"params": {}}},
        ),
        (["defense.refine=null"], {"refine": None}),
        (
            ["defense.fine_tune.epochs=1"],
            {"fine_tune": DEMO.setting("fine_tune").model_dump() | {"epochs": 1}},
        ),
        (["defense.entropy.epochs=2"], {"entropy": WHOLE | {"epochs": 2}}),
        (
            ["defense.onion.rows=50", "defense.prune_step=3"],
            {"onion": {"share": 0.05, "rows": 50}, "prune_step": 3},
        ),
    ],
)
def test_set_reaches_a_parameter_by_its_old_path_and_changes_nothing_else(
    changes: list[str], now: dict[str, Any]
) -> None:
    assert DEMO.defense is not None
    made = changed(parse(dump(DEMO)), changes)
    assert made.defense is not None and made.defense.name == "head-pruning"
    assert made.defense.params == DEMO.defense.params | now
    assert made.model_copy(update={"defense": None}) == DEMO.model_copy(update={"defense": None})


def test_set_chooses_a_defense_and_its_parameters() -> None:
    made = changed(DEMO, ["defense={name: fth}", "defense.learning_rate=0.01", "defense.fine_tune.epochs=1"])
    assert made.defense is not None and made.defense.name == "fth"
    assert made.setting("learning_rate") == 0.01 and made.setting("fine_tune").epochs == 1
    alone = DEMO.model_copy(update={"defense": None})
    made = changed(alone, ["defense.prune_step=1", "defense.refine=null"])
    assert made.defense is not None and made.defense.name == "head-pruning"
    assert made.setting("prune_step") == 1 and made.setting("refine") is None
    assert changed(DEMO, ["defense=null"]).defense is None


@pytest.mark.parametrize(
    ("defense", "said"),
    [
        (
            {"prune_step": 3, "prun_stp": 3},
            r"Head pruning: defense.prun_stp: there is no such setting \(got 3\)$",
        ),
        (
            NONE | {"trian_rows": 9},
            r"Head pruning: defense.trian_rows: there is no such setting \(got 9\)$",
        ),
        (NONE | {"onion": {"rosw": 9}}, r"ONION: defense.rosw: there is no such setting \(got 9\)$"),
        (NONE | {"entropy": {"epohcs": 9}}, "epohcs: there is no such setting"),
        (NONE | {"entropy": 5}, r"entropy: Input should be .* \(got 5\)$"),
        (NONE | {"onion": 5}, r"onion: Input should be .* \(got 5\)$"),
        (NONE | {"entropy": {}, "fine_tune": 5}, r"fine_tune: Input should be .* \(got 5\)$"),
        ({"strategy": "random"}, r"strategy: Input should be .* \(got 'random'\)$"),
        ({"strategy": {"name": "magic"}}, "There is no strategy 'magic'. Choose one of: .*gradient"),
        ({"name": "magic"}, "There is no defense 'magic'. Choose one of: .*head-pruning"),
        (
            {"name": "ft", "params": {"prune_step": 3}},
            r"\(FT\): defense.prune_step: there is no such setting",
        ),
        (
            {"name": "ft", "prune_step": 3},
            r"\(FT\): defense.prune_step: there is no such setting \(got 3\)$",
        ),
        ({"name": "ft", "variant": "fast"}, r"\(FT\) has no variant 'fast'; it has: none"),
        ({"name": "ft", "params": [1]}, r"defense.params: .* \(got \[1\]\)$"),
        ({"nmae": "ft"}, "defense.name: Field required; defense.nmae: there is no such setting"),
        ("ft", r"defense: Input should be .* \(got 'ft'\)$"),
    ],
)
def test_an_error_names_the_setting_that_is_wrong(defense: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(defense)


@pytest.mark.parametrize("change", ["defense.prun_stp=3", "defense.params.prun_stp=3"])
def test_a_misspelt_path_is_named(change: str) -> None:
    with pytest.raises(
        UserError, match=r"Head pruning: defense.prun_stp: there is no such setting \(got 3\)"
    ):
        changed(DEMO, [change])


def test_another_defense_takes_over_the_parameters_that_it_has() -> None:
    asked = changed(DEMO, ["defense.train_rows=64", "defense.name=ft"])
    assert asked.defense is not None and asked.defense.name == "ft"
    assert asked.defense.params == {"train_rows": 64, "fine_tune": DEMO.setting("fine_tune").model_dump()}
    with pytest.raises(UserError, match="no defense 'magic'"):
        changed(DEMO, ["defense.name=magic"])
