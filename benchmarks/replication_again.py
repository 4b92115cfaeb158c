"""What arithmetic alone changes: runs of the replication that were made on two machines."""

from itertools import combinations
from typing import Any

import numpy as np

from backend.studies.exports import markdown_table
from benchmarks import replication_study as plan

Found = dict[str, Any]
Place = tuple[str, str, int]


def twice(first: list[Found], again: list[Found]) -> list[str]:
    """As Markdown; nothing where no run was made twice."""
    once = {place_of(cell): cell for cell in first if cell["state"] == "done"}
    other = {place_of(cell): cell for cell in again if cell["state"] == "done" and place_of(cell) in once}
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
        "model, first / again; in brackets the pruned heads, first / again, and how many of them are shared.",
        "",
        markdown_table(rows),
        "",
        _apart(once, other),
    ]


def place_of(cell: Found) -> Place:
    return cell["victim"], cell["defense"], cell["seed"]


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


def _apart(once: dict[Place, Found], other: dict[Place, Found]) -> str:
    """How far two machines are apart, and how far two seeds of the same runs."""
    whole = [place for place in other if plan.is_whole(once[place])]
    seeds = [
        (once[victim, defense, one], once[victim, defense, two])
        for victim, defense in {place[:2] for place in whole}
        for one, two in combinations(plan.SEEDS, 2)
        if (victim, defense, one) in once and (victim, defense, two) in once
    ]
    machines = _root_mean_square([(once[place], other[place]) for place in whole])
    between = f"; two seeds, over the same runs, {_root_mean_square(seeds)}" if seeds else ""
    return (
        f"Root mean square of the differences, over the {len(whole)} runs that end with all of their "
        f"defense: two machines with one seed {machines}{between}."
    )


def _root_mean_square(pairs: list[tuple[Found, Found]]) -> str:
    found = {
        name: 100 * np.sqrt(np.mean([(_last(one)[key] - _last(two)[key]) ** 2 for one, two in pairs]))
        for name, key in (("LFR", "lfr"), ("ACC", "acc"))
    }
    return ", ".join(f"{points:.1f} points of {name}" for name, points in found.items())
