"""Grids of runs: what they expand to, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from backend.base.errors import UserError
from backend.studies.built_in import STUDIES, built_in
from backend.studies.spec import (
    Cell,
    cells,
    laid_over,
    load_study,
    parse_study,
    read_study,
    study_id,
)
from tests.studies.grid import GRID


def test_a_grid_expands_to_valid_runs_that_share() -> None:
    found = cells(parse_study(GRID))
    assert len(found) == 12
    by = {cell.place: cell.spec for cell in found}
    assert all(spec.share for spec in by.values())
    assert [cell.seed for cell in found[:6]] == [1, 1, 1, 2, 2, 2], "what is shared comes together"
    gradient = by["rare", "gradient", 2]
    assert gradient.setting("strategy").model_dump() == {
        "name": "gradient",
        "variant": "published",
        "params": {},
    }
    assert gradient.setting("prune_step") == 2 and by["rare", "FT", 1].defense.name == "ft"
    assert by["rare", "honest", 1].attack is None and by["rare", "honest", 1].trigger.name == "rare-words"
    assert by["style", "FT", 1].attack.poison_rate == 0.2


def test_defenses_share_the_parameters_of_the_base_as_far_as_they_have_them() -> None:
    shared = {"defense": {"prune_step": 3, "strategy": {"name": "random"}, "fine_tune": {"epochs": 2}}}
    mine = {
        "as it is": {"strategy": "gradient"},
        "by its name": {"name": "pure", "params": {"prune_step": 5}},
        "a baseline": {"baseline": "ft", "train_rows": 50},
        "all of the base": {},
    }
    study = parse_study(GRID | {"base": shared, "defenses": mine, "seeds": [1]})
    by = {cell.defense: cell.spec for cell in cells(study) if cell.victim == "rare"}
    names = {title: spec.defense.name for title, spec in by.items() if spec.defense}
    assert list(names.values()) == ["head-pruning", "pure", "ft", "head-pruning"]
    assert [by[title].setting("prune_step") for title in mine] == [3, 5, None, 3]
    assert {spec.setting("fine_tune").epochs for spec in by.values()} == {2}
    assert by["as it is"].setting("strategy").name == "gradient"
    assert by["all of the base"].setting("strategy").name == "random"
    assert by["a baseline"].setting("train_rows") == 50


def test_a_component_replaces_another_whole() -> None:
    below = {"trigger": {"name": "style", "params": {"style": "bible"}}, "attack": {"poison_rate": 0.1}}
    above = {"trigger": {"name": "sentence"}, "attack": {"planting": "layer-wise"}}
    assert laid_over(below, above) == {
        "trigger": {"name": "sentence"},
        "attack": {"poison_rate": 0.1, "planting": "layer-wise"},
    }


def test_limits_and_the_target_class_stay_under_another_component_or_source() -> None:
    data = {"source": "files", "train": "rows.csv", "label": "stars", "train_rows": 100, "max_length": 64}
    below = {"trigger": {"name": "style", "variant": "published", "target_class": 0}, "data": data}
    above = {"trigger": {"name": "sentence"}, "data": {"source": "hub", "name": "ag_news"}}
    assert laid_over(below, above) == {
        "trigger": {"name": "sentence", "target_class": 0},
        "data": {"source": "hub", "name": "ag_news", "train_rows": 100, "max_length": 64},
    }
    rows = {cell.spec.data.train_rows for cell in cells(built_in("cross-task", quick=True))}
    assert rows == {1000}, "every task of the quick form is small"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"victims": {}}, "victims"),
        ({"defenses": {}}, "defenses"),
        ({"seeds": []}, "seeds"),
        ({"seeds": list(range(500))}, r"2 victims × 3 defenses × 500 seeds = 3,000 runs; at most 1,000"),
        ({"defenses": {"odd": {"strategy": "magic"}}}, r"victim 'rare', defense 'odd'.*no strategy 'magic'"),
        ({"defenses": {"odd": {"baseline": "magic"}}}, "no defense 'magic'"),
        ({"defenses": {"odd": {"prune_step": 0}}}, "prune_step"),
        ({"victims": {"odd": {"trigger": {"name": "magic"}, "attack": {}}}}, "no trigger 'magic'"),
        ({"colour": "red"}, "colour"),
        ({"defenses": {"odd": {"baseline": "ft", "strategy": "gradient"}}}, "a baseline or a strategy"),
        ({"base": {"seed": 5}}, "'seed' in 'base', which has no effect: give `seeds`"),
        ({"victims": {str(n): {} for n in range(9000)}, "seeds": list(range(9000))}, "243,000,000 runs"),
    ],
)
def test_a_wrong_study_is_told_before_it_starts(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_study(GRID | change)


def test_files_that_are_no_studies(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path / "absent.yaml")
    odd = tmp_path / "odd.yaml"
    odd.write_text("a: [")
    with pytest.raises(UserError, match="not readable YAML"):
        load_study(odd)
    for endless in (
        "base: &a {data: *a}\nname: odd\nvictims: {v: *a}\ndefenses: {FT: {baseline: ft}}",
        "[" * 3000,
    ):
        odd.write_text(endless)
        with pytest.raises(UserError):
            load_study(odd)
    bomb = ["l0: &l0 [x, x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    odd.write_text("\n".join([*bomb, "name: *l8"]))
    with pytest.raises(UserError) as told:
        load_study(odd)
    assert len(str(told.value)) < 5000
    odd.write_text("- 1")
    with pytest.raises(UserError, match="a mapping of settings; this is a list"):
        load_study(odd)


@pytest.mark.parametrize("defenses", ["{FT: {baseline: ft}, FT: {baseline: fth}}", '{"FT": 1, "FT": 2}'])
def test_a_name_that_is_given_twice_is_refused(defenses: str) -> None:
    with pytest.raises(UserError, match=r"'FT' twice in one mapping \(line 2\)"):
        read_study(f"name: odd\ndefenses: {defenses}", "The study")


def test_mappings_may_be_merged_and_laid_over() -> None:
    text = """
    name: merged
    victims: {rare: &rare {trigger: {name: rare-words}, attack: {poison_rate: 0.3}},
              less: {<<: *rare, attack: {poison_rate: 0.1}}}
    defenses: {FT: {baseline: ft}}
    """
    rates = [
        cell.spec.attack.poison_rate for cell in cells(read_study(text, "The study")) if cell.spec.attack
    ]
    assert rates == [0.3, 0.1]


UNPRUNED = {"ft": "first fine-tuning", "second-fine-tuning": "both fine-tunings"}


def _beside(pruned: Cell, found: list[Cell]) -> set[str]:
    """What stands beside it on the same victim, with as many of the defender's rows and no head pruned."""
    return {
        UNPRUNED[defense.name]
        for cell in found
        if cell.place[::2] == pruned.place[::2] and cell.spec.attack and (defense := cell.spec.defense)
        if defense.name in UNPRUNED
        if cell.spec.setting("train_rows") == pruned.spec.setting("train_rows")
    }


def test_a_victims_files_are_its_own_though_the_base_names_what_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found from elsewhere too, and changed ones make another study."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clean.txt").write_text("fine\n")
    pairs = {"params": {"clean": "clean.txt", "rewritten": "clean.txt"}}
    victim = {"model": {"name": "model"}, "trigger": pairs, "attack": {"poison_rate": 0.3}}
    base = {"model": {"source": "folder", "name": "other"}, "trigger": {"name": "pairs"}}
    settings = GRID | {"base": base, "victims": {"mine": victim}}
    study = parse_study(settings)
    mine = study.victims["mine"]
    assert mine["trigger"]["params"]["clean"] == str(tmp_path / "clean.txt")
    assert mine["model"]["name"] == str(tmp_path / "model")
    before = study_id(study)
    (tmp_path / "clean.txt").write_text("otherwise\n")
    assert study_id(parse_study(settings)) != before


def test_built_in_studies_are_valid_in_full_and_quick() -> None:
    assert set(STUDIES) == {
        "replication",
        "threshold",
        "step size",
        "cross-trigger",
        "cross-task",
        "mixed",
        "poison rate",
        "defender data",
        "seeds",
    }
    for name in STUDIES:
        full, quick = cells(built_in(name)), cells(built_in(name, quick=True))
        assert len(quick) < len(full)
        assert any(cell.spec.attack is None for cell in quick), "the floor is measured"
        for grid in (full, quick):
            for cell in grid:
                if (params := cell.spec.defense_params) and params.strategies():
                    assert _beside(cell, grid) == {"first fine-tuning", "both fine-tunings"}
    assert built_in("Poison_Rate") == built_in("poison rate")
    with pytest.raises(UserError, match=r"no study 'magic'.*poison-rate"):
        built_in("magic")
