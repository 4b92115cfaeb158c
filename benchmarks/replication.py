"""The paper's table, its controls and its open question on the embedded model and SST-2, seed by seed.

    python benchmarks/replication.py [--victims "Rare words;Bible rows (STRAP)"] [--seeds 11,12,13]
                                     [--only-table] [--hours 2] [--again]

Every cell of method × trigger × seed is a run; its results become a line of results/replication.jsonl as soon
as it is done, and a cell that is there is not done again, so that the table grows and the work can be resumed
anywhere.  What runs share (a poisoning, a first fine-tuning, a second one with the same pruned heads) is done
once.  Pruning alone is measured with all seeds; the second fine-tuning has all seeds for FT, FTH, PURE,
the controls, the paper's six, the published gradient and Bayesian, and the hybrid of gradient and RL, and
one for the rest.  MEFT and ONION, which prune nothing, have one.  `--hours` stops before all is done.  Two
processes with OMP_NUM_THREADS=1 on different victims get through more than one with two threads.  `--again`
repeats runs on this machine, into results/replication_again.jsonl: how much do two machines with one seed
differ?

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
from benchmarks.replication_study import AGAIN, CELLS, SEEDS, keep, settings_of, steps, study, wanted
from benchmarks.replication_table import write_table


def run_of(cell: Cell) -> str:
    place = "-".join(map(str, cell.place)).lower()
    return f"replication-{re.sub(r'[^a-z0-9]+', '-', place)}"[:120]


def carry_out(cell: Cell) -> dict[str, Any]:
    """The results of one cell; those of a failed one have its error."""
    run = run_of(cell)
    *events, end = events_of(cell.spec, run)
    assert isinstance(end, RunFinished)
    stages = [event for event in events if isinstance(event, StageFinished)]
    return {
        "victim": cell.victim,
        "defense": cell.defense,
        "seed": cell.seed,
        "machine": machine(),
        "spec": settings_of(cell),
        "state": end.state,
        "error": end.error,
        "metrics": {name: metrics.model_dump(mode="json") for name, metrics in end.metrics.items()},
        "rows": {name: rows_of(cell, run_folder(run) / name, name) for name in end.metrics},
        "pruned_heads": end.pruned_heads,
        "seconds": {stage.stage: None if stage.reused else round(stage.seconds, 1) for stage in stages},
    }


def rows_of(cell: Cell, folder: Path, model: str) -> dict[str, Any] | None:
    """A 1 for each test row classified correctly and each triggered row flipped, in the order of the data,
    and, where only a sample was read, the places of its rows."""
    predictions = read_predictions(folder)
    if predictions is None:
        return None
    marks = {"right": predictions.correct, "flipped": predictions.flipped}
    bits: dict[str, Any] = {name: "".join(map(str, mark.astype(int))) for name, mark in marks.items()}
    text_filter = next((step.text_filter for step in steps(cell.spec) if step.model == model), None)
    unfiltered = read_predictions(folder.parent / "fine_tuned")
    if text_filter and unfiltered:
        counts = {"right": len(unfiltered.test), "flipped": len(unfiltered.triggered)}
        bits["places"] = {name: drawn(count, text_filter.rows, cell.seed) for name, count in counts.items()}
    return bits


def forget(done: list[Cell]) -> None:
    """Remove the models of these cells' runs; their results are kept."""
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
    options = arguments.parse_args()
    file = AGAIN if options.again else CELLS
    spec = study([int(seed) for seed in options.seeds.split(",")])
    names = options.victims.split(";") if options.victims else list(spec.victims)
    if unknown := set(names) - set(spec.victims):
        sys.exit(
            f"There is no victim {', '.join(sorted(unknown))}. The victims are: {', '.join(spec.victims)}."
        )
    if not options.only_table:
        if not (SHARED / "sst2").is_dir():
            sys.exit(
                f"{SHARED / 'sst2'} is missing. SST-2 and the published rows are not part of the project."
            )
        own_home()
        began = time.monotonic()
        together: list[Cell] = []  # cells that share a poisoning, some gigabytes of models
        for cell in wanted([cell for cell in cells(spec) if cell.victim in names], file):
            if time.monotonic() - began > 3600 * options.hours:
                break
            if together and (cell.victim, cell.seed) != (together[0].victim, together[0].seed):
                forget(together)
                write_table()
                together = []
            together.append(cell)
            row = carry_out(cell)
            keep(row, file)
            seconds = sum(filter(None, row["seconds"].values()))
            print(cell.place, row["state"], row["error"] or "", f"{seconds:.0f} s", flush=True)
        forget(together)
    write_table()


if __name__ == "__main__":
    main()
