"""Results of a run as files: JSON, CSV, the specification, and the defended model."""

import csv
import errno
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from backend.errors import UserError
from backend.events import (
    DataReady,
    Event,
    Head,
    HeadScores,
    Metric,
    Metrics,
    ModelName,
    RowsTriggered,
    Warned,
)
from backend.home import run_folder
from backend.runs.records import RunRecord, curve
from backend.runs.store import Store

MODEL_FOLDER = "defended"
STEP_COLUMNS = [
    "step",
    "pruned_total",
    "pruned",
    "restored",
    "tried_val_acc",
    "val_acc",
    "acc",
    "lfr",
    "threshold",
]


def results(record: RunRecord, events: Sequence[Event]) -> dict[str, Any]:
    """Everything a run found, as plain data: what it was asked, its numbers, its steps, its versions.

    `events` are the run's, in order.  `metrics` are of the models measured so far."""
    summary = record.summary
    plain: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
        "seconds": record.seconds,
        "stage": record.stage,
        "worker": record.worker,
        "cancel_requested": record.cancel_requested,
        "error": record.problem if summary is None else summary.error,
        "random_weights": summary is not None and summary.random_weights,
        "spec": record.settings if record.spec is None else record.spec.model_dump(mode="json"),
        "data": None,
        "triggered": None,
        "metrics": {
            name: metrics.model_dump(mode="json") for name, metrics in metrics_of(record, events).items()
        },
        "pruned_heads": pruned_heads(record, events),
        "steps": [step.model_dump(mode="json", exclude={"type", "run"}) for step in curve(events)],
        "scores": None,
        "warnings": list(dict.fromkeys(event.message for event in events if isinstance(event, Warned))),
        "versions": _versions(record.id),
    }
    for event in events:
        if isinstance(event, HeadScores):
            plain["scores"] = event.model_dump(mode="json", exclude={"type", "run", "time"})
        elif isinstance(event, DataReady):
            plain["data"] = event.model_dump(mode="json", exclude={"type", "run", "time"})
        elif isinstance(event, RowsTriggered):
            plain["triggered"] = event.model_dump(mode="json", exclude={"type", "run", "time"})
    return plain


def pruned_heads(record: RunRecord, events: Iterable[Event]) -> list[Head]:
    """Heads pruned at the end, or so far."""
    if record.summary is not None and record.summary.pruned_heads:
        return record.summary.pruned_heads
    return [head for step in curve(events) for head in step.pruned]


def metrics_of(record: RunRecord, events: Iterable[Event]) -> dict[ModelName, Metrics]:
    """Numbers of each model measured so far."""
    found: dict[ModelName, Metrics] = {
        event.model: event.metrics for event in events if isinstance(event, Metric)
    }
    if record.summary is not None:
        found |= record.summary.metrics
    return found


def _versions(run: str) -> dict[str, str]:
    try:
        return dict(json.loads((run_folder(run) / "versions.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}  # the run has not started


def steps_csv(events: Iterable[Event]) -> str:
    """One row per pruning step; heads as layer.head, separated by spaces."""
    rows = []
    for step in curve(events):
        row = step.model_dump(include=set(STEP_COLUMNS))
        rows.append(row | {"pruned": _heads(step.pruned), "restored": _heads(step.restored)})
    return _csv(STEP_COLUMNS, rows)


def metrics_csv(record: RunRecord, events: Iterable[Event]) -> str:
    """One row per model; a rate that was not measured is empty."""
    columns = ["model", "test_rows", "triggered_rows", "unchanged_rows"]
    for rate in ("acc", "lfr", "clean_flip_rate"):
        columns += [rate, f"{rate}_low", f"{rate}_high"]
    rows = []
    for name, metrics in metrics_of(record, events).items():
        row = metrics.model_dump()
        for rate in ("acc", "lfr", "clean_flip_rate"):
            row[f"{rate}_low"], row[f"{rate}_high"] = row[f"{rate}_interval"] or (None, None)
        rows.append({"model": name} | {column: row[column] for column in columns[1:]})
    return _csv(columns, rows)


def _heads(heads: Iterable[Head]) -> str:
    return " ".join(f"{layer}.{head}" for layer, head in heads)


def _csv(columns: list[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def rewritings(run: str) -> Path | None:
    """The table of a run's triggered rows, which the trigger `pairs` reads; None if it has none (yet)."""
    path = run_folder(run) / "generated" / "rewritings.csv"
    return path if path.is_file() else None


def rows_left_out(run: str, most: int = 100) -> list[dict[str, str]]:
    """Split, text and reason of the rows that the run's trigger could not use, the first `most`."""
    path = rewritings(run)
    if path is None:
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.DictReader(file) if row["left_out"])
        return [{name: row[name] for name in ("split", "text", "left_out")} for row in islice(rows, most)]


def model_folder(run: str) -> Path | None:
    """The defended model as `save_pretrained` left it, or None if the run made none (yet)."""
    folder = run_folder(run) / MODEL_FOLDER
    return folder if (folder / "config.json").is_file() else None


def model_zip(run: str) -> Path:
    """The defended model zipped, built once: unpacked, it is a folder for `from_pretrained`.

    Raises UserError if the run made none, or the disk is full."""
    folder = model_folder(run)
    if folder is None:
        raise UserError(f"Run {run} has no defended model. Only runs whose defense finished have one.")
    target = run_folder(run) / f"{MODEL_FOLDER}.zip"
    if target.is_file():
        return target
    with _room_for(target):
        handle, name = tempfile.mkstemp(suffix=".zip", dir=target.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        # Weights do not shrink: packing them would only cost time.
                        packed = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
                        archive.write(path, path.relative_to(folder), packed)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


def export(store: Store, run: str, folder: Path) -> Path:
    """Write results.json, steps.csv, metrics.csv, spec.yaml and what there is of rewritings and model.

    Gives back the folder.  Raises UserError, before anything is written, if it is not empty."""
    record = store.run(run)
    events = [event for _, event in store.events(record.id)]
    folder = folder.expanduser().absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder. Name a new or an empty one.")
    plain = results(record, events)
    with _room_for(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            part.chmod(0o755)
            (part / "results.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
            (part / "steps.csv").write_text(steps_csv(events), encoding="utf-8")
            (part / "metrics.csv").write_text(metrics_csv(record, events), encoding="utf-8")
            spec = yaml.safe_dump(plain["spec"], sort_keys=False, allow_unicode=True)
            (part / "spec.yaml").write_text(spec, encoding="utf-8")
            rows = rewritings(record.id)
            if rows is not None:
                shutil.copyfile(rows, part / rows.name)
            model = model_folder(record.id)
            if model is not None:
                shutil.copytree(model, part / "model")
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(
                f"The disk is full: {path} cannot be written. Free some space and try again."
            ) from error
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}). Choose another place."
        ) from error
