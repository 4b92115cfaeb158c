"""How far the same seed on two machines is apart: runs of the replication that were made on both.

A GPU draws other dropout from a seed than a CPU does, and rounds otherwise; rows, their order and the fresh
classifier head are the same."""

from itertools import combinations
from typing import Any

import numpy as np

from backend.studies.exports import markdown_table
from benchmarks import replication_study as plan

Found = dict[str, Any]
Place = tuple[str, str, int]
TWIN = "Bayesian (published)"


def twice(first: list[Found], again: list[Found]) -> list[str]:
    """Run beside run, as Markdown; nothing where no run was made twice."""
    once, other = _by_place(first, again)
    if not other:
        return []
    names = plan.study(plan.SEEDS)
    victims = [name for name in names.victims if any(place[0] == name for place in other)]
    rows = []
    for defense in names.defenses:
        beside = {place[0]: _both(once[place], other[place]) for place in other if place[1] == defense}
        if beside:
            rows.append({"Defense": defense} | {victim: beside.get(victim, "–") for victim in victims})
    return [
        "## The same seed on two machines",
        "",
        f"With {_seeds(other)}, first as above and again on {_machines(other)}: LFR of the last "
        "model, first / again; in brackets the pruned heads, first / again, and how many of them are shared. "
        "Poisoned rows, their order and the fresh classifier head are the same, rounding is not, nor are a "
        "GPU's draws of dropout.",
        "",
        markdown_table(rows),
        "",
        apart(first, again),
    ]


def _by_place(first: list[Found], again: list[Found]) -> tuple[dict[Place, Found], dict[Place, Found]]:
    """Runs by victim, defense and seed: all that are done, and those of them that were made again."""
    once, other = (
        {(cell["victim"], cell["defense"], cell["seed"]): cell for cell in cells if cell["state"] == "done"}
        for cells in (first, again)
    )
    return once, {place: cell for place, cell in other.items() if place in once}


def _seeds(other: dict[Place, Found]) -> str:
    found = sorted({seed for *_, seed in other})
    return f"seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def _machines(other: dict[Place, Found]) -> str:
    return "; ".join(sorted({cell["machine"] for cell in other.values()}))


def _both(one: Found, other: Found) -> str:
    shown = " / ".join(
        f"{100 * _last(cell)['lfr']:.1f}" if plan.is_whole(cell) else "–" for cell in (one, other)
    )
    sets = [{tuple(head) for head in cell["pruned_heads"]} for cell in (one, other)]
    return f"{shown} ({len(sets[0])} / {len(sets[1])}, {len(sets[0] & sets[1])})" if any(sets) else shown


def _last(cell: Found) -> dict[str, float]:
    metrics: dict[str, dict[str, float]] = cell["metrics"]
    return metrics.get("defended") or metrics["poisoned"]


def apart(first: list[Found], again: list[Found]) -> str:
    """How far two machines are apart after the second fine-tuning, and how far two seeds of the same runs;
    empty where no such run was made twice.  PURE and Bayesian as published are one and the same model."""
    once, other = _by_place(first, again)
    refined = [
        place
        for place in other
        if plan.is_whole(once[place])
        and all("refine" in cells[place]["seconds"] for cells in (once, other))
        and (place[1] != TWIN or (place[0], "PURE", place[2]) not in other)
    ]
    if not refined:
        return ""
    seeds = [
        (once[victim, defense, one], once[victim, defense, two])
        for victim, defense in {place[:2] for place in refined}
        for one, two in combinations(plan.SEEDS, 2)
        if (victim, defense, one) in once and (victim, defense, two) in once
    ]
    machines = _root_mean_square([(once[place], other[place]) for place in refined])
    between = f"; with two seeds, of the same defenses, {_root_mean_square(seeds)}" if seeds else ""
    return (
        "Root mean square of the differences after the second fine-tuning, of runs made on two machines "
        f"({len(refined)}): with one seed on both {machines}{between}."
    )


def _root_mean_square(pairs: list[tuple[Found, Found]]) -> str:
    found = {
        name: 100 * np.sqrt(np.mean([(_last(one)[key] - _last(two)[key]) ** 2 for one, two in pairs]))
        for name, key in (("LFR", "lfr"), ("ACC", "acc"))
    }
    return ", ".join(f"{points:.1f} points of {name}" for name, points in found.items())
