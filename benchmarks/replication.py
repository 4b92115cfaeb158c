"""The paper's table, its controls and its open question on the embedded model and SST-2, seed by seed.

    python benchmarks/replication.py [--victims "Rare words;Bible rows (STRAP)"] [--seeds 11,12,13]
                                     [--only-table] [--hours 2]

Every cell of method × trigger × seed is a run; its findings go to docs/results/cells/ as soon as it is
done, and a cell that is there is not done again, so that the table grows and the work can be taken up
anywhere.  What runs share (a poisoning, a first fine-tuning, a second one where the same heads went) is
done once.  Pruning alone is measured for every cell and all seeds; the second fine-tuning has all seeds
for FT, PURE, the controls, the paper's six, the published gradient and the hybrid, and one seed for the
rest.  `--hours` stops before all is done.  Two processes with OMP_NUM_THREADS=1 on different victims get
through more than one with two threads.

Writes docs/results/replication.md, and assets/replication.json for the dashboard.  SST-2 and the published
rows are read from ../shared/data (or EXCISE_SHARED_DATA)."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend import pipeline
from backend.calls import read_calls
from backend.data.rows import drawn
from backend.events import RunFinished, StageFinished
from backend.home import cache_folder, home, run_folder
from backend.shared_stages import sweep
from backend.studies.spec import Cell, cells
from benchmarks.common import SHARED, machine
from benchmarks.replication_study import RESULTS, SEEDS, file_of, settings_of, study, wanted
from benchmarks.replication_table import write_table


def carry_out(cell: Cell) -> dict[str, Any]:
    """The findings of one cell; a failed one has its reason."""
    run = f"replication-{file_of(cell).stem}"[:120]
    shutil.rmtree(run_folder(run), ignore_errors=True)  # left behind under other settings, perhaps
    *told, end = pipeline.run(cell.spec, run_folder(run), run=run)
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
    calls = read_calls(folder)
    if calls is None:
        return None
    marks = {"right": calls.right, "flipped": calls.flipped}
    found: dict[str, Any] = {name: "".join(map(str, made.astype(int))) for name, made in marks.items()}
    onion = cell.spec.defense and cell.spec.defense.onion
    whole = read_calls(folder.parent / "fine_tuned")
    if onion and whole and model == "defended":
        counts = {"right": len(whole.test), "flipped": len(whole.triggered)}
        found["places"] = {name: drawn(count, onion.rows, cell.seed) for name, count in counts.items()}
    return found


def forget() -> None:
    """Remove the models of the runs so far; their findings are kept."""
    for folder in (home() / "runs").glob("replication-*"):
        shutil.rmtree(folder, ignore_errors=True)
    sweep()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--victims", help="names separated by semicolons; all if not given")
    arguments.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    arguments.add_argument("--hours", type=float, default=float("inf"), help="start no cell after so long")
    arguments.add_argument("--only-table", action="store_true", help="run nothing")
    asked = arguments.parse_args()
    whole = study([int(seed) for seed in asked.seeds.split(",")])
    names = asked.victims.split(";") if asked.victims else list(whole.victims)
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
                write_table()
            group = cell.victim, cell.seed
            made = carry_out(cell)
            file_of(cell).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
            seconds = sum(filter(None, made["seconds"].values()))
            print(cell.place, made["state"], made["error"] or "", f"{seconds:.0f} s", flush=True)
        forget()
    write_table()


if __name__ == "__main__":
    main()
