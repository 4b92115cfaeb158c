"""The paper's table, its controls and its open question on the embedded model and SST-2, seed by seed.

    python benchmarks/replication.py [--victims "Rare words,Bible rows (STRAP)"] [--seeds 11,12,13]
                                     [--only-table] [--hours 2]

Every cell of method × trigger × seed is a run; its findings go to docs/results/cells/ as soon as it is
done, and a cell that is there is not done again, so that the table grows and the work can be taken up
anywhere.  What runs share (a poisoning, a first fine-tuning, a second one where the same heads went) is
done once.  Pruning alone is measured for every cell and all seeds; the second fine-tuning has all seeds
for FT, PURE, the controls, the paper's six, the published gradient and the hybrid, and one seed for the
rest.  About 12 hours on 2 CPU cores for everything; `--hours` stops before.

Writes docs/results/replication.md.  SST-2 and the published rows are read from ../shared/data (or
EXCISE_SHARED_DATA)."""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend import pipeline
from backend.calls import read_calls
from backend.events import Metrics, RunFinished
from backend.home import cache_folder, home, run_folder
from backend.shared_stages import sweep
from backend.studies.built_in import BASELINES, CONTROLS, HYBRIDS, PUBLISHED, STRATEGIES, victim
from backend.studies.paired import difference, difference_text, p_text
from backend.studies.results import Figure, cell_text, figure
from backend.studies.spec import Cell, StudySpec, cells
from benchmarks.common import ROOT, SHARED, machine

RESULTS = ROOT / "docs" / "results"
SEEDS = [11, 12, 13]
TRAINING = {"epochs": 3, "learning_rate": 5e-5}
AFTER = {"epochs": 2, "learning_rate": 5e-5}
CONTROL = "Second fine-tuning alone"
ONE_SEED = {*PUBLISHED, *HYBRIDS, "MEFT", "ONION"} - {"Gradient (published)", "Gradient + RL"}
"""Defenses whose second fine-tuning (or whole work) has one seed."""


LEGEND = f"""\
# Replication: method × trigger on MiniLM-L6 and SST-2

Made by `python benchmarks/replication.py --only-table` from the cells in `cells/`; in percent, mean ±
standard deviation (95 % interval of the mean) over the seeds that are done. **Pruned**: heads cut, no
further training. **Defended**: after the second fine-tuning. **Excess**: LFR minus that of the
never-poisoned model of the same seed. **Seconds** are what the run spent itself: the first run of a
victim and seed planted the backdoor for all.

The second table of each trigger pairs every defense with the control *{CONTROL}*, on the same rows of
the same seeds: difference in points with the 95 % interval of a paired bootstrap over seeds and rows, and
McNemar's exact p, the largest of the seeds, not corrected for the number of defenses."""


def study(seeds: list[int]) -> StudySpec:
    def rows(folder: str, rate: float) -> dict[str, Any]:
        params = {"clean": str(SHARED / "sst2" / "clean"), "rewritten": str(SHARED / "sst2" / folder)}
        return victim("pairs", rate, **params)

    clean = SHARED / "sst2" / "clean"
    files = {
        split: str(clean / f"{file}.tsv")
        for split, file in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    return StudySpec.model_validate(
        {
            "name": "replication",
            "base": {
                "data": {"source": "files", **files},
                "attack": {"training": TRAINING},
                "defense": {
                    "accuracy_threshold": 0.97,
                    "prune_step": 4,
                    "fine_tune": AFTER,
                    "refine": AFTER,
                },
            },
            "victims": {
                "Rare words": victim("rare-words", 0.3),
                "Syntactic rows (SCPN)": rows("syntactic", 0.3),
                "Bible rows (STRAP)": rows("style-bible", 0.2),
                "Syntactic, built in": victim("syntactic", 0.3),
                "Bible, built in": victim("style", 0.2, style="bible"),
            },
            "defenses": BASELINES | CONTROLS | STRATEGIES | PUBLISHED | HYBRIDS,
            "seeds": seeds,
        }
    )


def file_of(cell: Cell) -> Path:
    name = "-".join((*cell.place[:2], str(cell.seed))).lower()
    return RESULTS / "cells" / (re.sub(r"[^a-z0-9]+", "-", name) + ".json")


def wanted(asked: list[Cell]) -> Iterator[Cell]:
    """One seed of everything first; cells that share a poisoning come together."""
    for cell in sorted(asked, key=lambda cell: cell.seed):
        if cell.defense in ONE_SEED and cell.seed != SEEDS[0] and cell.spec.defense is not None:
            cell.spec.defense.refine = None
            if cell.defense in ("MEFT", "ONION"):
                continue
        if not _is_done(file_of(cell)):
            yield cell


def _is_done(path: Path) -> bool:
    """A cell that failed is tried again."""
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["state"] == "done"


def carry_out(cell: Cell) -> dict[str, Any]:
    """The findings of one cell; a failed one has its reason."""
    run = f"replication-{file_of(cell).stem}"[:120]
    *_, end = pipeline.run(cell.spec, run_folder(run), run=run)
    assert isinstance(end, RunFinished)
    return {
        "victim": cell.victim,
        "defense": cell.defense,
        "seed": cell.seed,
        "machine": machine(),
        "state": end.state,
        "error": end.error,
        "metrics": {name: found.model_dump(mode="json") for name, found in end.metrics.items()},
        "rows": {name: rows_of(run_folder(run) / name) for name in end.metrics},
        "pruned_heads": end.pruned_heads,
        "seconds": end.seconds,
    }


def rows_of(folder: Path) -> dict[str, str] | None:
    """A 1 for each test row called right and each triggered row flipped, in the order of the data."""
    calls = read_calls(folder)
    if calls is None:
        return None
    marks = {"right": calls.right, "flipped": calls.flipped}
    return {name: "".join(map(str, found.astype(int))) for name, found in marks.items()}


def forget() -> None:
    """Remove the models of the runs so far; their findings are kept."""
    for folder in (home() / "runs").glob("replication-*"):
        shutil.rmtree(folder, ignore_errors=True)
    sweep()


def found_cells() -> list[dict[str, Any]]:
    paths = sorted((RESULTS / "cells").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def over(cells: list[dict[str, Any]], model: str, field: str) -> Figure | None:
    """A number of one model over the seeds of a cell."""
    measured = [Metrics.model_validate(cell["metrics"][model]) for cell in cells if model in cell["metrics"]]
    return figure([getattr(one, field) for one in measured])


def write_table(names: StudySpec) -> None:
    """docs/results/replication.md from the cells that there are."""
    found = found_cells()
    lines = LEGEND.splitlines()
    for name in names.victims:
        mine = [cell for cell in found if cell["victim"] == name and cell["state"] == "done"]
        if not mine:
            continue
        honest = [cell for cell in mine if cell["defense"] == "Never poisoned"]
        floors = {cell["seed"]: cell["metrics"]["pruned"]["lfr"] for cell in honest}
        titles = ["Defense", "ACC pruned", "LFR pruned", "ACC defended", "LFR defended", "Clean flip rate"]
        titles += ["Excess LFR", "Heads", "Seconds"]
        lines += ["", f"## {name}", "", _markdown(titles), _markdown(["---"] * len(titles))]
        for defense in names.defenses:
            here = [cell for cell in mine if cell["defense"] == defense]
            if here:
                lines.append(_line(defense, here, floors))
        lines += _paired(mine, list(names.defenses))
    (RESULTS / "replication.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(defense: str, here: list[dict[str, Any]], floors: dict[int, float]) -> str:
    last = "poisoned" if "defended" not in here[0]["metrics"] else "defended"
    refined = [cell for cell in here if defense not in ONE_SEED or cell["seed"] == SEEDS[0]]
    excess = [
        cell["metrics"][last]["lfr"] - floors[cell["seed"]] for cell in refined if cell["seed"] in floors
    ]
    heads = sum(len(cell["pruned_heads"]) for cell in here) / len(here)
    seconds = sum(cell["seconds"] for cell in refined) / len(refined) if refined else 0.0
    parts = [
        defense,
        cell_text(over(here, "pruned", "acc")),
        cell_text(over(here, "pruned", "lfr")),
        cell_text(over(refined, last, "acc")),
        cell_text(over(refined, last, "lfr")),
        cell_text(over(refined, last, "clean_flip_rate")),
        cell_text(figure(excess)),
        f"{heads:.1f}",
        f"{seconds:.0f}",
    ]
    return _markdown(parts)


def _paired(mine: list[dict[str, Any]], defenses: list[str]) -> list[str]:
    """Every defense with a second fine-tuning beside the control that has it and prunes nothing."""
    control = {cell["seed"]: cell["rows"].get("defended") for cell in mine if cell["defense"] == CONTROL}
    lines = []
    for defense in defenses:
        here = {cell["seed"]: cell["rows"].get("defended") for cell in mine if cell["defense"] == defense}
        both = [seed for seed in here if here[seed] and control.get(seed)]
        if defense == CONTROL or not both:
            continue
        parts = [defense, str(len(both))]
        for mark in ("right", "flipped"):
            gap = difference([(_bits(here[seed][mark]), _bits(control[seed][mark])) for seed in both])
            parts += [difference_text(gap), p_text(gap)]
        lines.append(_markdown(parts))
    titles = [f"Minus *{CONTROL}*", "Seeds", "ACC, points", "p", "LFR, points", "p"]
    return ["", _markdown(titles), _markdown(["---"] * len(titles)), *lines] if lines else []


def _bits(marks: str) -> np.ndarray:
    return np.array([mark == "1" for mark in marks])


def _markdown(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--victims", help="names separated by commas; all if not given")
    arguments.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    arguments.add_argument("--hours", type=float, default=float("inf"), help="start no cell after so long")
    arguments.add_argument("--only-table", action="store_true", help="run nothing")
    asked = arguments.parse_args()
    whole = study([int(seed) for seed in asked.seeds.split(",")])
    names = asked.victims.split(",") if asked.victims else list(whole.victims)
    if unknown := set(names) - set(whole.victims):
        sys.exit(f"No victim {', '.join(sorted(unknown))}; there are: {', '.join(whole.victims)}.")
    (RESULTS / "cells").mkdir(parents=True, exist_ok=True)
    if not asked.only_table:
        if not (SHARED / "sst2").is_dir():
            sys.exit(
                f"{SHARED / 'sst2'} is absent: SST-2 and the published rows are not part of the project."
            )
        if "EXCISE_HOME" not in os.environ:
            os.environ.setdefault("EXCISE_CACHE", str(cache_folder()))
        os.environ.setdefault("EXCISE_HOME", tempfile.mkdtemp(prefix="excise-replication-"))
        began, group = time.monotonic(), None
        for cell in wanted([cell for cell in cells(whole) if cell.victim in names]):
            if time.monotonic() - began > 3600 * asked.hours:
                break
            if group not in (None, (cell.victim, cell.seed)):
                forget()  # what one poisoning serves takes some gigabytes
            group = cell.victim, cell.seed
            made = carry_out(cell)
            file_of(cell).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
            print(cell.place, made["state"], made["error"] or "", f"{made['seconds']:.0f} s", flush=True)
            write_table(whole)
        forget()
    write_table(whole)


if __name__ == "__main__":
    main()
