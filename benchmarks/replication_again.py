"""How much two machines with the same seed differ: runs of the replication that were made on both.

A GPU draws other dropout from a seed than a CPU does, and rounds otherwise; rows, their order and the fresh
classifier head are the same."""

from itertools import combinations

import numpy as np

from backend.studies.exports import markdown_table
from benchmarks.replication_study import (
    SEEDS,
    Found,
    heads_of,
    is_whole,
    last,
    machines_of,
    place_of,
    seeds_text,
    study,
)

Place = tuple[str, str, int]


def twice(first: list[Found], again: list[Found]) -> list[str]:
    """Both runs of each cell, as Markdown; empty if no run was made twice."""
    once, other = _by_place(first, again)
    if not other:
        return []
    names = study(SEEDS)
    victims = [name for name in names.victims if any(place[0] == name for place in other)]
    rows = []
    for defense in names.defenses:
        beside = {place[0]: _both(once[place], other[place]) for place in other if place[1] == defense}
        if beside:
            rows.append({"Defense": defense} | {victim: beside.get(victim, "–") for victim in victims})
    return [
        "## The same seed on two machines",
        "",
        f"With {seeds_text(seed for *_, seed in other)}, first as above and again on "
        f"{machines_of(other.values())}: LFR of the last model, first / again; in brackets the pruned heads, "
        "first / again, and how many of them are shared. Poisoned rows, their order and the fresh classifier "
        "head are the same, rounding is not, nor are a GPU's draws of dropout.",
        "",
        markdown_table(rows),
    ]


def _by_place(first: list[Found], again: list[Found]) -> tuple[dict[Place, Found], dict[Place, Found]]:
    """Runs by victim, defense and seed: all that are done, and those of them that were made again."""
    once, other = (
        {place_of(cell): cell for cell in cells if cell["state"] == "done"} for cells in (first, again)
    )
    return once, {place: cell for place, cell in other.items() if place in once}


def _both(first: Found, second: Found) -> str:
    shown = " / ".join(
        f"{100 * cell['metrics'][last(cell)]['lfr']:.1f}" if is_whole(cell) else "–"
        for cell in (first, second)
    )
    sets = [{tuple(head) for head in cell["pruned_heads"]} for cell in (first, second)]
    return f"{shown} ({len(sets[0])} / {len(sets[1])}, {len(sets[0] & sets[1])})" if any(sets) else shown


def apart(first: list[Found], again: list[Found]) -> str:
    """How much two machines differ after the second fine-tuning, and how much two seeds of the same runs;
    empty if no such run was made twice.  Defenses that pruned the same heads count once."""
    once, other = _by_place(first, again)
    by_heads = {
        (place[0], place[2], heads_of(once[place]), heads_of(cell)): place
        for place, cell in other.items()
        if is_whole(cell) and all("refine" in row["seconds"] for row in (once[place], cell))
    }
    refined = list(by_heads.values())
    if not refined:
        return ""
    seeds = [
        (once[victim, defense, seed], once[victim, defense, other_seed])
        for victim, defense in {place[:2] for place in refined}
        for seed, other_seed in combinations(SEEDS, 2)
        if (victim, defense, seed) in once and (victim, defense, other_seed) in once
    ]
    machines = _root_mean_square([(once[place], other[place]) for place in refined])
    between = f"; with two seeds, of the same defenses, {_root_mean_square(seeds)}" if seeds else ""
    return (
        "Root mean square of the differences after the second fine-tuning, of runs made on two machines "
        f"({len(refined)}): with one seed on both {machines}{between}."
    )


def _root_mean_square(pairs: list[tuple[Found, Found]]) -> str:
    parts = []
    for name, key in (("LFR", "lfr"), ("ACC", "acc")):
        values = np.array([[cell["metrics"]["defended"][key] for cell in pair] for pair in pairs])
        gaps = values[:, 0] - values[:, 1]
        parts.append(f"{100 * np.sqrt(np.mean(gaps**2)):.1f} points of {name}")
    return ", ".join(parts)
