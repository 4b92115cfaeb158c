"""How good is a check at telling backdoored models from clean ones?

    python benchmarks/detection.py [--half fit] [--first 32] [--hours 2] [--only-table]

Each model of `detection_models.py` is fine-tuned on 1,000 rows of an attacker, with or without a trigger, and
checked as a user would check it, with 1,000 other rows.  Its results become a line of results/detection.jsonl
as soon as they are there, and a model that is there is not done again; two processes with OMP_NUM_THREADS=1,
one for each half, get through more than one with two threads.

Writes docs/results/detection.md, and assets/detection.json for the confidence that a check states.  Models
that need the published rows are left out where ../shared/data (or EXCISE_SHARED_DATA) is missing."""

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.base.events import Evidence, RunFinished, StageFinished, Warned
from backend.base.paths import home, run_folder
from backend.data.rows import Rows
from backend.spec.parse import parse
from benchmarks import results
from benchmarks.common import events_of, machine, own_home
from benchmarks.detection_models import Made, chosen, parser_of, rows_of
from benchmarks.detection_table import BASELINES, write_table

TABLE = results.RESULTS / "detection.jsonl"
TRAINING = {"epochs": 3, "learning_rate": 1e-4}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    own_home()
    for made in [] if options.only_table else chosen(options):
        if made.name not in {row["model"] for row in results.read(TABLE)}:
            results.keep(TABLE, carry_out(made), ("model",))
    write_table(results.read(TABLE), results.read(BASELINES))


def carry_out(made: Made) -> dict[str, Any]:
    """Train and check one model."""
    files = written(made, home() / "rows" / made.name)
    model = trained(made, files, home() / "models" / made.name)
    checked = _checked(made, model["folder"], files["defender"])
    row = {
        "model": made.name,
        "half": made.half,
        "task": made.task,
        "family": made.family,
        "planted": made.planted,
        "target": made.target,
        "rate": made.rate,
        "planting": made.planting,
        "lfr": model["lfr"],
        "machine": machine(),
        **checked,
    }
    for folder in (files["defender"].parent, run_folder(f"check-{made.name}")):
        shutil.rmtree(folder, ignore_errors=True)
    return row


def written(made: Made, folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return {split: _write(rows, folder / f"{split}.csv") for split, rows in rows_of(made).items()}


def _write(rows: Rows, path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(rows.texts, rows.labels, strict=True))
    return path


def trained(made: Made, files: dict[str, Path], folder: Path) -> dict[str, Any]:
    """The folder of the attacker's model, which is kept and taken again, and its LFR (None: clean)."""
    kept = folder / "lfr.json"
    if kept.is_file():
        return {"folder": folder, "lfr": json.loads(kept.read_text(encoding="utf-8"))}
    splits = {split: str(files[split]) for split in ("train", "validation", "test")}
    settings: dict[str, Any] = {"data": {"source": "files", **splits}, "seed": made.seed}
    if made.trigger is None:
        # Fine-tuning that no backdoor came before: the model that an honest party hands out.
        settings["defense"] = {"name": "ft", "params": {"fine_tune": TRAINING}}
    else:
        settings["trigger"] = {**made.trigger, "target_class": made.target}
        attack = {"poison_rate": made.rate, "planting": made.planting, "training": TRAINING}
        settings["attack"] = attack
    run = f"plant-{made.name}"
    *_, end = events_of(parse(settings), run)
    assert isinstance(end, RunFinished)
    if end.state != "done":
        sys.exit(f"{made.name} could not be made: {end.error}")
    name = "fine_tuned" if made.trigger is None else "poisoned"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(run_folder(run) / name, folder)
    shutil.rmtree(run_folder(run), ignore_errors=True)
    kept.write_text(json.dumps(end.metrics[name].lfr), encoding="utf-8")
    return {"folder": folder, "lfr": end.metrics[name].lfr}


def _checked(made: Made, folder: Path, rows: Path) -> dict[str, Any]:
    """What the check of a model says, and what it took."""
    model = {"source": "folder", "name": str(folder), "head": "keep"}
    settings = {
        "model": model,
        "data": {"source": "files", "train": str(rows)},
        "check": {},
        "seed": made.seed,
    }
    *events, end = events_of(parse(settings), f"check-{made.name}")
    assert isinstance(end, RunFinished)
    if end.state != "done":
        sys.exit(f"{made.name} could not be checked: {end.error}")
    evidence = [
        event.model_dump(mode="json", exclude={"type", "examples"})
        for event in events
        if isinstance(event, Evidence)
    ]
    stages = {event.stage: round(event.seconds) for event in events if isinstance(event, StageFinished)}
    return {
        "acc": end.metrics["received"].acc,
        "seconds": stages,
        "evidence": evidence,
        "notes": [
            event.message for event in events if isinstance(event, Warned) and "Not tried" in event.message
        ],
    }


if __name__ == "__main__":
    main()
