"""The tables of the replication: for the dashboard, and as Markdown."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from backend.base.events import Metrics
from backend.studies import replication
from backend.studies.exports import markdown_table
from backend.studies.replication import Measured, Table
from backend.studies.results import Row, mean_of, table
from backend.studies.significance import Comparison, Rows, difference
from backend.studies.spec import cells
from benchmarks import replication_study as plan
from benchmarks.common import ROOT
from benchmarks.replication_again import apart, twice
from benchmarks.replication_ranks import ranked
from benchmarks.replication_study import Found, heads_of, last, machines_of, place_of, seeds_text
from benchmarks.results import row_a_line

PAGE = ROOT / "docs" / "results" / "replication.md"
AFTER_CONTROL = f"Defended, minus {plan.CONTROL}"
FEWEST_SETS = 8
"""Of pruned heads, for a correlation over them to be shown."""

LEGEND = f"""\
# Replication: method × trigger on MiniLM-L6 and SST-2

Made by `python benchmarks/replication.py --only-table` from `results/replication.jsonl`. {plan.SETTINGS}

In percent, mean ± standard deviation (95 % interval of the mean) over the seeds that are done. **ACC**,
**LFR**, **clean flip rate**: of the run's last model, after the second fine-tuning where there is one.
**Never poisoned**: LFR of the never-poisoned model of the same seed on the same rows; **excess** is LFR
minus it. **Pruned alone**: heads cut, no further training. **Seconds**: to score the heads and to prune
along them, not to train. ONION is measured on 100 test and 100 triggered rows a seed. Where the second
fine-tuning has one seed, pruning alone still has all.

Behind each table, differences on the same rows of the same seeds: in points, with their 95 % interval (a
paired bootstrap over the rows; where there are several seeds, Student's over the seeds is added) and
McNemar's exact p, the largest of the seeds, not corrected for the number of defenses.

Last: over all of a seed's different sets of pruned heads, Spearman's ρ between how many heads a layer lost
and LFR after the second fine-tuning, mean over seeds. Negative: the more heads it lost, the lower LFR. The
sets were not drawn at random and layers go together, so it shows where to look and no cause. The controls
that take layer after layer, or empty half of them, are the experiment, and not among these sets."""


def write_table() -> None:
    """Write assets/replication.json and docs/results/replication.md from the finished cells."""
    first, again = plan.found_cells(), plan.found_cells(plan.AGAIN)
    found = summary(first, again)
    replication.FOUND.write_text(row_a_line(found.model_dump(mode="json"), 4) + "\n", encoding="utf-8")
    done = f"{found.done} of {found.cells} cells are done. Taken on {found.machine}."
    lines = [
        *LEGEND.splitlines(),
        "",
        done,
        "",
        "## All triggers: ACC / LFR",
        "",
        markdown_table(_overview(found)),
        "",
        f"## All triggers: LFR minus that of {plan.CONTROL}, in points",
        "",
        markdown_table(_minus_control(found)),
        "",
        *ranked(first, found.victims),
        f"## Seed by seed: LFR with seeds {' / '.join(map(str, plan.SEEDS))}, in brackets pruned alone",
        "",
        markdown_table(_by_seed(first)),
    ]
    for victim in found.victims:
        own = [row for row in found.rows if row.victim == victim]
        lines += ["", f"## {victim}", "", markdown_table(_without_victim(table(own)))]
        for title, rows in found.beside[victim].items():
            lines += ["", f"**{title}**", "", markdown_table(rows)]
        if where := found.where[victim]:
            lines += ["", f"**{replication.WHERE}**", "", markdown_table(where)]
        for note in found.notes[victim]:
            lines += ["", note]
    if beside := twice(first, again):
        lines += ["", *beside, "", found.chance]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _without_victim(rows: Table) -> Table:
    return [{title: text for title, text in row.items() if title != "Victim"} for row in rows]


def _overview(found: Measured) -> Table:
    """Method × trigger: ACC and LFR of the last model."""
    by_place = {(row.victim, row.defense): row for row in found.rows}
    return [
        {"Defense": defense}
        | {victim: _acc_and_lfr(by_place.get((victim, defense))) for victim in found.victims}
        for defense in dict.fromkeys(row.defense for row in found.rows)
    ]


def _acc_and_lfr(row: Row | None) -> str:
    if row is None or row.acc is None or row.lfr is None:
        return "–"
    seeds = f"{row.lfr.seeds} seed{'s' if row.lfr.seeds > 1 else ''}"
    return f"{100 * row.acc.mean:.1f} / {100 * row.lfr.mean:.1f} ({seeds})"


def _minus_control(found: Measured) -> Table:
    """Method × trigger: differences from the second fine-tuning alone."""
    by_place = {
        (victim, row["Defense"]): row
        for victim, tables in found.beside.items()
        for row in tables.get(AFTER_CONTROL, [])
    }

    def gap(victim: str, defense: str) -> str:
        row = by_place.get((victim, defense))
        return "–" if row is None else row["LFR, points"] + (" 1 seed" if row["Seeds"] == "1" else "")

    return [
        {"Defense": defense} | {victim: gap(victim, defense) for victim in found.victims}
        for defense in plan.study(plan.SEEDS).defenses
        if any(defense == known for _, known in by_place)
    ]


def _by_seed(found: list[Found]) -> Table:
    """Method × trigger: each seed's LFR of the last model, in brackets of the one pruned alone."""
    names = plan.study(plan.SEEDS)
    by_place = {place_of(cell): cell for cell in found}
    known = {cell["defense"] for cell in found}

    def seeds(victim: str, defense: str) -> str:
        return " / ".join(_lfr_of_one(by_place.get((victim, defense, seed))) for seed in plan.SEEDS)

    return [
        {"Defense": defense} | {victim: seeds(victim, defense) for victim in names.victims}
        for defense in names.defenses
        if defense in known
    ]


def _lfr_of_one(cell: Found | None) -> str:
    if cell is None or cell["state"] != "done":
        return "–"
    whole = plan.is_whole(cell) and cell["metrics"].get(last(cell))
    pruned = cell["pruned_heads"] and cell["metrics"].get("pruned")
    first = f"{100 * whole['lfr']:.1f}" if whole else "–"
    return f"{first} ({100 * pruned['lfr']:.1f})" if pruned else first


def summary(found: list[Found], again: list[Found]) -> Measured:
    """All that the dashboard and the page show."""
    names = plan.study(plan.SEEDS)
    done = [cell for cell in found if cell["state"] == "done"]
    of_victim = {
        victim: [cell for cell in done if cell["victim"] == victim]
        for victim in names.victims
        if any(cell["victim"] == victim for cell in found)
    }
    return Measured(
        settings=plan.SETTINGS,
        machine=machines_of(found),
        done=len(done),
        cells=len(list(plan.planned(cells(names)))),
        rows=[
            row_of(victim, defense, mine)
            for victim, mine in of_victim.items()
            for defense in names.defenses
            if any(cell["defense"] == defense for cell in mine)
        ],
        beside={victim: _beside(mine, list(names.defenses)) for victim, mine in of_victim.items()},
        where={victim: _where(mine) for victim, mine in of_victim.items()},
        notes={
            victim: [*_plantings(mine), *_devices(mine), *_other_machines(mine), *_failures(victim, found)]
            for victim, mine in of_victim.items()
        },
        chance=apart(found, again),
    )


def row_of(victim: str, defense: str, mine: list[Found]) -> Row:
    """One line of the table; `mine` are all cells of the victim."""
    references = {cell["seed"]: cell for cell in mine if cell["defense"] == "Never poisoned"}
    here = [cell for cell in mine if cell["defense"] == defense]
    whole = [cell for cell in here if plan.is_whole(cell)]
    cut = [cell for cell in here if any(other["pruned_heads"] for other in here)]
    model = last(here[0])
    floors, excess = [], []
    for cell in whole:
        if pair := both_marks(cell, model, references.get(cell["seed"]), "defended", "flipped"):
            floors.append(float(pair[1].mean()))
            excess.append(cell["metrics"][model]["lfr"] - floors[-1])

    def over(those: list[Found], name: str, read: Callable[[Metrics], float | None]) -> Any:
        metrics = [cell["metrics"][name] for cell in those if name in cell["metrics"]]
        return mean_of([read(Metrics.model_validate(stored)) for stored in metrics])

    usual = _machine(mine)
    timed = [cell for cell in cut if cell["machine"] == usual]
    spent = [[cell["seconds"].get(stage) for stage in ("score", "prune")] for cell in timed]
    seconds = [sum(both) for both in spent if None not in both]  # None: shared with an earlier run
    return Row(
        victim=victim,
        defense=defense,
        acc=over(whole, model, lambda m: m.acc),
        lfr=over(whole, model, lambda m: m.lfr),
        flip=over(whole, model, lambda m: m.clean_flip_rate),
        floor=mean_of(floors),
        excess=mean_of(excess, least=-1.0),
        acc_before=over(cut, "pruned", lambda m: m.acc),
        lfr_before=over(cut, "pruned", lambda m: m.lfr),
        heads=float(np.mean([len(cell["pruned_heads"]) for cell in cut])) if cut else None,
        seconds=float(np.mean(seconds)) if seconds else None,
        states={"done": len(here), "waiting": plan.seeds_of(defense) - len(here)},
        problems=[],
    )


def _beside(mine: list[Found], defenses: list[str]) -> dict[str, Table]:
    """What each question of the study compares, row by row."""
    whole = [cell for cell in mine if plan.is_whole(cell)]
    pruning = {cell["defense"] for cell in mine if cell["pruned_heads"]}
    cut = [cell for cell in mine if cell["defense"] in pruning]  # also where a seed's guardrail let none go
    refined = [cell for cell in whole if "refine" in cell["seconds"]]
    asked = [
        ("Pruned alone, minus FT", cut, "pruned", "FT", defenses),
        (AFTER_CONTROL, refined, "defended", plan.CONTROL, defenses),
        ("Defended, minus As many random", refined, "defended", "As many random", ["Gradient"]),
        ("Defended, minus FTH", refined, "defended", "FTH", defenses),
    ]
    found = {}
    for title, those, model, control, others in asked:
        beside = {cell["seed"]: cell for cell in whole if cell["defense"] == control}
        rows = [
            row
            for defense in others
            if defense != control and (row := _difference(defense, those, model, beside))
        ]
        found |= {title: rows} if rows else {}
    return found


def _difference(
    defense: str, those: list[Found], model: str, beside: dict[int, Found]
) -> dict[str, str] | None:
    here = [cell for cell in those if cell["defense"] == defense]
    gaps = []
    for mark in ("right", "flipped"):
        pairs = [both_marks(cell, model, beside.get(cell["seed"]), "defended", mark) for cell in here]
        gaps.append(difference([pair for pair in pairs if pair]))
    found = Comparison(defense, *gaps)
    return {"Defense": defense, "Seeds": str(found.seeds)} | found.columns if found.seeds else None


def both_marks(
    one: Found, model: str, other: Found | None, its_model: str, mark: str
) -> tuple[Rows, Rows] | None:
    """The marks of two models on the rows that both read; None if they were not stored."""
    first, second = (_marks(cell, name, mark) for cell, name in ((one, model), (other, its_model)))
    if not first or not second:
        return None
    places = sorted(first.keys() & second.keys())
    return np.array([first[place] for place in places]), np.array([second[place] for place in places])


def _marks(cell: Found | None, model: str, mark: str) -> dict[int, bool] | None:
    """Marks by the row's place in the data."""
    rows = cell and cell["rows"].get(model)
    if not rows:
        return None
    places = rows.get("places", {}).get(mark) or range(len(rows[mark]))
    return {place: bit == "1" for place, bit in zip(places, rows[mark], strict=True)}


def _where(mine: list[Found]) -> Table:
    """Spearman's ρ, mean over seeds, of a seed's different sets of pruned heads: how many heads each layer
    lost, and LFR after the second fine-tuning.  Without the controls that take layers on purpose, and nothing
    where no seed has enough sets."""
    lost: dict[str, list[float]] = {}
    sets = 0
    for seed in sorted({cell["seed"] for cell in mine}):
        # Defenses that took the same heads share a second fine-tuning, and count once.
        by_heads = {
            heads_of(cell): cell
            for cell in mine
            if cell["seed"] == seed
            and cell["pruned_heads"]
            and "refine" in cell["seconds"]
            and cell["defense"] not in plan.BY_LAYER
        }
        if len(by_heads) < FEWEST_SETS:
            continue
        sets += len(by_heads)
        lfr = [cell["metrics"]["defended"]["lfr"] for cell in by_heads.values()]
        layers = [[layer for layer, _ in cell["pruned_heads"]] for cell in by_heads.values()]
        counts = {"all layers": [len(heads) for heads in layers]} | {
            f"layer {layer}": [heads.count(layer) for heads in layers]
            for layer in range(max(map(max, layers)) + 1)
        }
        for name, count in counts.items():
            of_seeds = lost.setdefault(name, [])
            if len(set(count)) > 1 and len(set(lfr)) > 1:
                of_seeds.append(float(spearmanr(count, lfr).statistic))
    return [
        {
            "Heads lost in": name,
            "ρ with LFR": f"{np.mean(found):+.2f}" if found else "–",
            "Seeds": str(len(found)),
            "Sets of heads": str(sets),
        }
        for name, found in lost.items()
    ]


def _plantings(mine: list[Found]) -> list[str]:
    """A warning for seeds whose cells do not all defend the very same poisoned model."""
    predictions: dict[int, set[str]] = {}
    for cell in mine:
        if cell["rows"].get("poisoned"):
            predictions.setdefault(cell["seed"], set()).add(str(cell["rows"]["poisoned"]))
    return [
        f"Seed {seed} was planted {len(found)} times, rounded otherwise each time (other machines or other "
        "ways to multiply): its cells do not all defend the same model."
        for seed, found in sorted(predictions.items())
        if len(found) > 1
    ]


def _devices(mine: list[Found]) -> list[str]:
    """The device of each seed, if they differ: a GPU rounds otherwise than a CPU."""
    by_device: dict[str, set[int]] = {}
    for cell in mine:
        device = cell["machine"].split(";")[0]
        by_device.setdefault("a CPU" if device.startswith("CPU") else device, set()).add(cell["seed"])
    if len(by_device) < 2:
        return []
    return [f"Computed on {device}: {seeds_text(seeds)}." for device, seeds in sorted(by_device.items())]


def _machine(mine: list[Found]) -> str:
    """The machine of most of these cells: seconds of others cannot be compared with its own."""
    return Counter(cell["machine"] for cell in mine).most_common(1)[0][0]


def _other_machines(mine: list[Found]) -> list[str]:
    """A note on the machine whose seconds a trigger's table shows, if its cells are of several machines."""
    if not mine or len({cell["machine"] for cell in mine}) == 1:
        return []
    usual = _machine(mine)
    count = sum(cell["machine"] == usual for cell in mine)
    return [f"Seconds are those of the {count} of {len(mine)} cells that were taken on {usual}."]


def _failures(victim: str, found: list[Found]) -> list[str]:
    return [
        f"Failed: {cell['defense']}, seed {cell['seed']}: {cell['error']}"
        for cell in found
        if cell["victim"] == victim and cell["state"] != "done"
    ]
