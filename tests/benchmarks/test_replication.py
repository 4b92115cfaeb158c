"""The replication's table: what it pairs, what it leaves out, what it says of failures."""

from pathlib import Path
from typing import Any

import pytest

from backend.studies import replication
from backend.studies.built_in import PAPER_STRATEGIES
from backend.studies.spec import Cell, cells
from benchmarks import replication_study, replication_table, results
from benchmarks.replication_study import (
    AGAIN,
    CELLS,
    CONTROL,
    PLACE,
    SEEDS,
    keep,
    planned,
    settings_of,
    study,
    wanted,
)
from benchmarks.replication_table import write_table

BASE = {"state": "done", "error": None, "machine": "a machine", "victim": "Rare words"}
SCORED = {"score": 2.0, "prune": 3.0, "refine": None}
HEADS = [[0, 0], [1, 2]]


def metrics(right: str, flipped: str) -> dict[str, Any]:
    acc, lfr = (bits.count("1") / len(bits) for bits in (right, flipped))
    bounds = [0.0, 1.0]
    return {
        "acc": acc,
        "acc_interval": bounds,
        "test_rows": len(right),
        "per_class": [],
        "lfr": lfr,
        "lfr_interval": bounds,
        "triggered_rows": len(flipped),
        "clean_flip_rate": 0.1,
        "clean_flip_rate_interval": bounds,
    }


def cell(
    defense: str, seed: int, heads: list[list[int]] = (), seconds=SCORED, **models: Any
) -> dict[str, Any]:
    rows = {
        name: dict(zip(("right", "flipped", "places"), marks, strict=False)) for name, marks in models.items()
    }
    found = {name: metrics(marks[0], marks[1]) for name, marks in models.items()}
    return BASE | {
        "defense": defense,
        "seed": seed,
        "metrics": found,
        "rows": rows,
        "pruned_heads": list(heads),
        "seconds": seconds,
    }


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(replication_table, "PAGE", tmp_path / "replication.md")
    monkeypatch.setattr(replication, "FOUND", tmp_path / "replication.json")

    settings = {cell.place: settings_of(cell) for cell in planned(cells(study(SEEDS)))}

    def write(*made: dict[str, Any], again: tuple[dict[str, Any], ...] = ()) -> str:
        for file, those in ((CELLS, made), (AGAIN, again)):
            (tmp_path / file).unlink(missing_ok=True)
            for one in those:
                spec = settings[one["victim"], one["defense"], one["seed"]]
                keep({"spec": spec} | one, file)
        write_table()
        return (tmp_path / "replication.md").read_text()

    return write


def lines(text: str, defense: str, section: str = "Rare words") -> list[dict[str, str]]:
    """The lines of that defense in every table of one section, by title."""
    own = text.split(f"\n## {section}")[1].split("\n## ")[0].splitlines()
    split = [[part.strip() for part in line.strip("|").split("|")] for line in own]
    found, titles = [], split[0]
    for parts in split:
        titles = parts if parts[0] == "Defense" else titles
        if parts[0] == defense:
            found.append(dict(zip(titles, parts, strict=True)))
    return found


def test_only_runs_that_were_fine_tuned_again_are_paired_with_the_control(table) -> None:
    again, alone = {"score": 1.0, "refine": 9.0}, {"score": 1.0, "prune": 1.0}
    control = [cell(CONTROL, seed, (), again, defended=("1111", "0000")) for seed in (11, 12)]
    one_seed = "Layer-wise variance (published)"
    published = [
        cell(one_seed, 11, HEADS, again, pruned=("1100", "1111"), defended=("1110", "1000")),
        cell(one_seed, 12, HEADS, alone, pruned=("1100", "1111"), defended=("1100", "1111")),
    ]
    text = table(*control, *published)
    whole, paired = lines(text, one_seed)
    assert whole["ACC, pruned alone"].startswith("50.0 ± 0.0"), "pruning alone has both seeds"
    assert whole["ACC"] == "75.0 (1 seed)" and whole["LFR"] == "25.0 (1 seed)"
    assert paired["Seeds"] == "1"
    assert paired["ACC, points"].startswith("-25.0") and paired["LFR, points"].startswith("+25.0")


def test_excess_may_lie_below_zero_with_its_interval(table) -> None:
    flips = {11: "1000000000", 12: "1100000000", 13: "0000000000"}
    honest = [cell("Never poisoned", seed, defended=("1" * 10, "1100000000")) for seed in flips]
    ft = [cell("FT", seed, defended=("1" * 10, bits)) for seed, bits in flips.items()]
    line = lines(table(*honest, *ft), "FT")[0]
    assert line["LFR, never poisoned"] == "20.0 ± 0.0 (20 to 20)"
    assert line["Excess LFR"] == "-10.0 ± 10.0 (-35 to 15)"


def test_what_was_read_in_part_stands_beside_the_same_rows_of_the_others(table) -> None:
    places = {"right": [1, 3], "flipped": [2, 3]}
    honest = cell("Never poisoned", 11, defended=("1111", "1101"))
    onion = cell("ONION", 11, defended=("11", "01", places))
    line = lines(table(honest, onion), "ONION")[0]
    assert line["LFR, never poisoned"] == "50.0 (1 seed)" and line["Excess LFR"] == "0.0 (1 seed)"


def test_pruning_alone_is_paired_with_plain_fine_tuning_and_costs_its_search(table) -> None:
    ft = cell("FT", 11, defended=("1111", "1111"))
    gradient = cell("Gradient", 11, HEADS, pruned=("1111", "0011"), defended=("1111", "0000"))
    text = table(ft, gradient)
    whole, paired = lines(text, "Gradient")
    assert (whole["Heads"], whole["Seconds"]) == ("2.0", "5") and "Pruned alone, minus FT" in text
    taken_over = cell("Gradient", 12, HEADS, {"score": None, "prune": 4.0}, pruned=("1111", "0011"))
    assert lines(table(ft, gradient, taken_over), "Gradient")[0]["Seconds"] == "5", "of runs that searched"
    assert paired["LFR, points"].startswith("-50.0"), "the pruned model's rows, not the defended one's"


def test_seconds_of_different_machines_do_not_stand_beside_each_other(table) -> None:
    search = {"score": 2.0, "prune": 3.0}
    slow = cell("Gradient", 11, HEADS, {"score": 20.0, "prune": 30.0}, pruned=("1111", "0011"))
    fast = [
        cell(name, 12, HEADS, search, pruned=("1111", "0011")) | {"machine": "a fast one"}
        for name in ("Gradient", "Bayesian")
    ]
    text = table(slow, *fast)
    assert lines(text, "Gradient")[0]["Seconds"] == "5"
    assert "Seconds are those of the 2 of 3 cells that were taken on a fast one." in text
    assert "Seconds are those" not in table(slow, *(one | {"machine": "a machine"} for one in fast))


def test_seeds_that_a_gpu_computed_are_named(table) -> None:
    on_cpu = [
        cell("FT", seed, defended=("1111", "1111")) | {"machine": f"CPU, {seed} threads; a machine"}
        for seed in (11, 12)
    ]
    on_gpu = cell("FT", 13, defended=("1111", "1111")) | {"machine": "A GPU; a machine"}
    assert "Computed on" not in table(*on_cpu)
    text = table(*on_cpu, on_gpu)
    assert "Computed on a CPU: seeds 11, 12." in text and "Computed on A GPU: seed 13." in text


def test_the_overview_has_a_column_for_each_trigger(table) -> None:
    ft = [cell("FT", seed, defended=("1110", bits)) for seed, bits in ((11, "1111"), (12, "1100"))]
    other = cell("FT", 11, defended=("1111", "0001")) | {"victim": "Bible, built in"}
    line = lines(table(*ft, other), "FT", "All triggers")[0]
    assert line["Rare words"] == "75.0 / 75.0 (2 seeds)"
    assert line["Bible, built in"] == "100.0 / 25.0 (1 seed)"


def test_what_is_beyond_the_control_has_a_column_for_each_trigger(table) -> None:
    again = {"refine": 9.0}
    made = [
        cell(CONTROL, seed, (), again, defended=("1111", "1111")) | {"victim": victim}
        for victim in ("Rare words", "Bible, built in")
        for seed in (11, 12)
    ]
    gradient = [cell("Gradient", seed, HEADS, again, defended=("1111", "0111")) for seed in (11, 12)]
    one_seed = cell("Gradient", 11, HEADS, again, defended=("1111", "0011")) | {"victim": "Bible, built in"}
    line = lines(table(*made, *gradient, one_seed), "Gradient", "All triggers: LFR minus")[0]
    assert line["Rare words"].startswith("-25.0") and "seed" not in line["Rare words"]
    assert line["Bible, built in"].startswith("-50.0") and line["Bible, built in"].endswith("1 seed")


RANKS = "Do the six strategies"


def ranked(seed: int, order: list[str], victim: str = "Rare words") -> list[dict[str, Any]]:
    """The strategies from the lowest LFR to the highest."""
    return [
        cell(name, seed, HEADS, defended=("1" * 8, "1" * n + "0" * (8 - n))) | {"victim": victim}
        for n, name in enumerate(order)
    ]


def ranks_of(text: str, victim: str) -> list[list[str]]:
    own = text.split(RANKS)[1].split("\n## ")[0].splitlines()
    return [row.strip("| ").split(" | ")[1:] for row in own if row.startswith(f"| {victim}")]


def test_ranks_of_the_six_are_compared_over_seeds_that_have_them_all(table) -> None:
    names = list(PAPER_STRATEGIES)
    alike = [one for seed in (11, 12, 13) for one in ranked(seed, names)]
    lacks_one = [*ranked(11, names, "Bible, built in"), *ranked(12, names[1:], "Bible, built in")]
    text = table(*alike, *lacks_one)
    (found,) = ranks_of(text, "Rare words")
    assert found[:3] == ["11, 12, 13", ", ".join(names[:1] * 3), "1.00"] and float(found[3]) < 0.05
    assert not ranks_of(text, "Bible"), "one seed has nothing to agree with"


def test_ranks_that_cancel_out_agree_by_nothing(table) -> None:
    names = list(PAPER_STRATEGIES)
    assert RANKS not in table(*ranked(11, names))
    text = table(*ranked(11, names), *ranked(12, names[::-1]))
    assert ranks_of(text, "Rare words") == [["11, 12", f"{names[0]}, {names[-1]}", "0.00", "–"]]


def test_each_seed_stands_for_itself_with_what_pruning_alone_left(table) -> None:
    ft = [cell("FT", seed, defended=("1110", bits)) for seed, bits in ((11, "1111"), (13, "1100"))]
    gradient = cell("Gradient", 12, HEADS, pruned=("1111", "0111"), defended=("1111", "0011"))
    one_seed = cell("Random ensemble (published)", 12, HEADS, pruned=("1111", "0001"))
    failed = cell("PURE", 11) | {"state": "failed"}
    text = table(*ft, gradient, one_seed, failed)
    assert "Seed by seed: LFR with seeds 11 / 12 / 13" in text

    def of(defense: str) -> str:
        return lines(text, defense, "Seed by seed")[0]["Rare words"]

    assert of("FT") == "100.0 / – / 50.0"
    assert of("Gradient") == "– / 50.0 (75.0) / –"
    assert of("Random ensemble (published)") == "– / – (25.0) / –", "its second fine-tuning has one seed"
    assert of("PURE") == "– / – / –"
    assert not lines(text, "FTH", "Seed by seed")


def test_where_heads_went_is_set_beside_lfr_once_for_the_same_heads(table) -> None:
    known = replication_study.study([11]).defenses
    defenses = [name for name in known if name not in replication_study.BY_LAYER]
    # The more heads of layer 0 go, the fewer rows flip; layer 1 always loses one.
    cells = [
        cell(name, 11, [[1, 0], *([0, h] for h in range(n))], defended=("1111", "1" * (8 - n) + "0" * n))
        for n, name in enumerate(defenses[10:18])
    ]
    twin = cells[3] | {"defense": defenses[18]}
    on_purpose = cells[7] | {"defense": "Bottom half", "pruned_heads": [[1, h] for h in range(12)]}
    found = lines_of_layers(table(*cells, twin, on_purpose))
    assert found["layer 0"] == ["-1.00", "1", "8"] and found["all layers"] == ["-1.00", "1", "8"]
    assert found["layer 1"][0] == "–", "which lost as many every time"
    assert replication.WHERE not in table(*cells[:7], *(one | {"state": "failed"} for one in cells[7:]), twin)


def lines_of_layers(text: str) -> dict[str, list[str]]:
    own = text.split(replication.WHERE)[1].splitlines()
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in own if "layer" in line]
    return {name: values for name, *values in rows if values}


def test_a_seed_that_was_planted_anew_is_told(table) -> None:
    first = cell("FT", 11, poisoned=("1111", "1110"), defended=("1111", "1111"))
    again = cell("FTH", 11, poisoned=("1111", "1111"), defended=("1111", "0011"))
    assert "Seed 11 was planted 2 times" in table(first, again)
    again["rows"]["poisoned"] = first["rows"]["poisoned"]
    assert "was planted" not in table(first, again)


def test_a_failed_cell_is_named_with_its_reason(table) -> None:
    failed = cell("PURE", 12) | {"state": "failed", "error": "Memory ran out."}
    text = table(failed)
    assert "Failed: PURE, seed 12: Memory ran out." in text and "0 of 385 cells are done" in text
    text = table(failed, cell("FT", 12, defended=("1111", "1111")))
    assert "Failed: PURE, seed 12: Memory ran out." in text and "1 of 385 cells are done" in text


def test_cells_made_with_other_settings_are_not_in_the_table(table) -> None:
    ft = cell("FT", 11, defended=("1111", "1111"))
    text = table(ft, cell("FTH", 11, defended=("1111", "0000")) | {"spec": {"seed": 11}})
    assert "1 of 385 cells are done" in text and not lines(text, "FTH")


def stored(asked: Cell) -> dict[str, Any]:
    """As that cell is kept when it is done."""
    return dict(zip(PLACE, asked.place, strict=True)) | {"state": "done", "spec": settings_of(asked)}


def test_a_cell_made_with_other_settings_is_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    (asked,) = [one for one in cells(study([11])) if one.place[:2] == ("Rare words", "Gradient")]
    made = stored(asked)
    keep(made)
    assert not list(wanted([asked]))
    made["spec"]["defense"]["prune_step"] = 10
    keep(made)
    assert list(wanted([asked])) == [asked]
    keep(stored(asked))
    assert not list(wanted([asked])) and len(results.read(tmp_path / CELLS)) == 1


def test_a_cell_that_failed_is_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    (asked,) = [one for one in cells(study([11])) if one.place[:2] == ("Rare words", "Gradient")]
    keep(stored(asked) | {"state": "failed"})
    assert list(wanted([asked])) == [asked]


def test_a_cell_that_another_process_did_meanwhile_is_not_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    first, second, third = cells(study([11]))[:3]
    coming = wanted([first, second, third])
    assert next(coming) == first
    keep(stored(second))
    assert next(coming) == third


def test_what_another_machine_made_of_a_seed_stands_beside_it_and_not_in_the_table(table) -> None:
    plain, refined = {"fine_tune": 9.0}, {"refine": 9.0}
    ft = [cell("FT", seed, (), plain, defended=("1111", bits)) for seed, bits in ((11, "1110"), (12, "0000"))]
    gradient = [
        cell("Gradient", seed, HEADS, refined, defended=("1111", bits))
        for seed, bits in ((11, "1000"), (12, "0000"))
    ]
    other = {"machine": "a GPU"}
    again = (
        cell("FT", 11, (), plain, defended=("1011", "1100")) | other,
        cell("Gradient", 11, [*HEADS[:1], [3, 3]], refined, defended=("1011", "1110")) | other,
        cell("PURE", 11, HEADS, refined, defended=("1111", "1110")) | other,
    )
    assert "two machines" not in table(*ft, *gradient)
    text = table(*ft, *gradient, again=again)
    assert "4 of 385 cells are done. Taken on a machine." in text and "again on a GPU" in text
    section = "The same seed on two machines"
    assert lines(text, "FT", section)[0]["Rare words"] == "75.0 / 50.0"
    assert lines(text, "Gradient", section)[0]["Rare words"] == "25.0 / 75.0 (2 / 2, 1)"
    assert not lines(text, "PURE", section), "there is nothing to compare it with"
    assert "(1): with one seed on both 50.0 points of LFR, 25.0 points of ACC" in text, "FT is not refined"
    assert "with two seeds, of the same defenses, 25.0 points of LFR, 0.0 points of ACC" in text


def test_a_run_made_again_is_not_taken_for_the_table_s(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    (asked,) = [one for one in cells(study([11])) if one.place[:2] == ("Rare words", "Gradient")]
    keep(stored(asked), AGAIN)
    assert list(wanted([asked])) == [asked] and not list(wanted([asked], AGAIN))


def test_one_model_of_two_names_is_counted_once_between_machines(table) -> None:
    names, refined = ("PURE", "Bayesian (published)"), {"refine": 9.0}
    here, there = (
        tuple(cell(name, 11, HEADS, refined, defended=("1111", bits)) for name in names)
        for bits in ("1110", "1000")
    )
    assert "(1): with one seed on both 50.0 points of LFR" in table(*here, again=there)
