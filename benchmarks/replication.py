"""The paper's table, its controls and its open question on the embedded model and SST-2, seed by seed.

    python benchmarks/replication.py [--victims "Rare words;Bible rows (STRAP)"] [--seeds 11,12,13]
                                     [--only-table] [--hours 2] [--again]

Every cell of method × trigger × seed is a run; its findings are a line of results/replication.jsonl as soon
as it is done, and a cell that is there is not done again, so that the table grows and the work can be taken
up anywhere.  What runs share (a poisoning, a first fine-tuning, a second one where the same heads went) is
done once.  Pruning alone is measured with all seeds; the second fine-tuning has all seeds for FT, FTH, PURE,
the controls, the paper's six, the published gradient and Bayesian, and the hybrid of gradient and RL, and
one for the rest.  MEFT and ONION, which prune nothing, have one.  `--hours` stops before all is done.  Two
processes with OMP_NUM_THREADS=1 on different victims get through more than one with two threads.  `--again`
makes runs once more on this machine, into results/replication_again.jsonl: how far is one seed on two
machines apart?

Writes docs/results/replication.md, and assets/replication.json for the dashboard.  SST-2 and the published
rows are read from ../shared/data (or EXCISE_SHARED_DATA)."""

import argparse
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.base.events import RunFinished, StageFinished
from backend.base.paths import run_folder
from backend.data.rows import drawn
from backend.engine.stage_cache import sweep
from backend.evaluation.predictions import read_predictions
from backend.studies.spec import Cell, cells
from benchmarks.common import SHARED, events_of, machine, own_home
from benchmarks.replication_study import AGAIN, CELLS, SEEDS, keep, settings_of, study, wanted
from benchmarks.replication_table import write_table


def run_of(cell: Cell) -> str:
    place = "-".join(map(str, cell.place)).lower()
    return f"replication-{re.sub(r'[^a-z0-9]+', '-', place)}"[:120]


def carry_out(cell: Cell) -> dict[str, Any]:
    """The findings of one cell; a failed one has its reason."""
    run = run_of(cell)
    *told, end = events_of(cell.spec, run)
    assert isinstance(end, RunFinished)
    stages = [event for event in told if isinstance(event, StageFinished)]
    return {
        "victim": cell.victim,
        "defense": cell.defense,
        "seed": cell.seed,
        "machine": machine(),
        "spec": settings_of(cell),
        "state": end.state,
        "error": end.error,
        "metrics": {name: found.model_dump(mode="json") for name, found in end.metrics.items()},
        "rows": {name: rows_of(cell, run_folder(run) / name, name) for name in end.metrics},
        "pruned_heads": end.pruned_heads,
        "seconds": {stage.stage: None if stage.reused else round(stage.seconds, 1) for stage in stages},
    }


def rows_of(cell: Cell, folder: Path, model: str) -> dict[str, Any] | None:
    """A 1 for each test row called right and each triggered row flipped, in the order of the data, and,
    where only some rows were read, their places."""
    calls = read_predictions(folder)
    if calls is None:
        return None
    marks = {"right": calls.right, "flipped": calls.flipped}
    found: dict[str, Any] = {name: "".join(map(str, made.astype(int))) for name, made in marks.items()}
    through = next((step.text_filter for step in plan.steps(cell.spec) if step.model == model), None)
    whole = read_predictions(folder.parent / "fine_tuned")
    if through and whole:
        counts = {"right": len(whole.test), "flipped": len(whole.triggered)}
        found["places"] = {name: drawn(count, through.rows, cell.seed) for name, count in counts.items()}
    return found


def forget(done: list[Cell]) -> None:
    """Remove the models of these cells' runs; their findings are kept."""
    for cell in done:
        shutil.rmtree(run_folder(run_of(cell)), ignore_errors=True)
    sweep()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--victims", help="names separated by semicolons; all if not given")
    arguments.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    arguments.add_argument("--hours", type=float, default=float("inf"), help="start no cell after so long")
    arguments.add_argument("--only-table", action="store_true", help="run nothing")
    arguments.add_argument("--again", action="store_true", help="on another machine than the table's")
    asked = arguments.parse_args()
    file = AGAIN if asked.again else CELLS
    whole = study([int(seed) for seed in asked.seeds.split(",")])
    names = asked.victims.split(";") if asked.victims else list(whole.victims)
    if unknown := set(names) - set(whole.victims):
        sys.exit(f"No victim {', '.join(sorted(unknown))}; there are: {', '.join(whole.victims)}.")
    if not asked.only_table:
        if not (SHARED / "sst2").is_dir():
            sys.exit(
                f"{SHARED / 'sst2'} is absent: SST-2 and the published rows are not part of the project."
            )
        own_home()
        began = time.monotonic()
        together: list[Cell] = []  # what one poisoning serves, some gigabytes of models
        for cell in wanted([cell for cell in cells(whole) if cell.victim in names], file):
            if time.monotonic() - began > 3600 * asked.hours:
                break
            if together and (cell.victim, cell.seed) != (together[0].victim, together[0].seed):
                forget(together)
                write_table()
                together = []
            together.append(cell)
            made = carry_out(cell)
            keep(made, file)
            seconds = sum(filter(None, made["seconds"].values()))
            print(cell.place, made["state"], made["error"] or "", f"{seconds:.0f} s", flush=True)
        forget(together)
    write_table()


if __name__ == "__main__":
    main()
