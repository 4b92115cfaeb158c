"""Results of a run as plain data, JSON, CSV and YAML, and the places of its files."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from backend import __version__
from backend.base.errors import UserError, disk_is_full
from backend.base.events import (
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
from backend.base.paths import run_folder
from backend.evaluation.predictions import TABLE
from backend.runs.progress import progress_of
from backend.runs.records import RunRecord, curve
from backend.spec.run import is_untrained

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
    """All results of a run as plain data: its specification, metrics, pruning steps, what a check tried and
    versions.

    `events` are the run's, in order.  `metrics` are those of the models measured so far."""
    summary = record.summary
    run_progress = progress_of(list(enumerate(events)))
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
        "random_weights": is_untrained(record.settings),
        "spec": record.settings if record.spec is None else record.spec.model_dump(mode="json"),
        "data": None,
        "triggered": None,
        "metrics": {
            name: metrics.model_dump(mode="json") for name, metrics in metrics_of(record, events).items()
        },
        "pruned_heads": pruned_heads(record, events),
        "steps": [step.model_dump(mode="json", exclude={"type", "run"}) for step in curve(events)],
        "scores": None,
        "evidence": [_plain(one) for one in run_progress.evidence],
        "comparison": run_progress.comparison and _plain(run_progress.comparison),
        "warnings": list(dict.fromkeys(event.message for event in events if isinstance(event, Warned))),
        "versions": versions(record.id),
    }
    for event in events:
        if isinstance(event, HeadScores):
            plain["scores"] = _plain(event)
        elif isinstance(event, DataReady):
            plain["data"] = _plain(event)
        elif isinstance(event, RowsTriggered):
            plain["triggered"] = _plain(event)
    return plain


def _plain(event: BaseModel) -> dict[str, Any]:
    return event.model_dump(mode="json", exclude={"type", "run", "time"})


def pruned_heads(record: RunRecord, events: Iterable[Event]) -> list[Head]:
    """Heads pruned at the end, or so far."""
    if record.summary is not None and record.summary.pruned_heads:
        return record.summary.pruned_heads
    return [head for step in curve(events) for head in step.pruned]


def head_list(record: RunRecord, events: Iterable[Event]) -> dict[str, Any]:
    """Which heads were pruned, as plain data: `pruned` as (layer, head), counted from 0, layer 0 nearest the
    input; `kept` the heads left by layer, None where the heads were never scored."""
    events = list(events)
    pruned = pruned_heads(record, events)
    scores = next((event for event in reversed(events) if isinstance(event, HeadScores)), None)
    kept = scores and [
        [head for head in range(scores.heads) if (layer, head) not in pruned]
        for layer in range(scores.layers)
    ]
    return {
        "run": record.id,
        "strategy": scores and scores.strategy,
        "layers": scores and scores.layers,
        "heads": scores and scores.heads,
        "pruned": [list(head) for head in pruned],
        "kept": kept,
    }


def spec_yaml(record: RunRecord) -> str:
    """The run's specification, as `python -m backend run` reads it."""
    plain = record.settings if record.spec is None else record.spec.model_dump(mode="json")
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def metrics_of(record: RunRecord, events: Iterable[Event]) -> dict[ModelName, Metrics]:
    """Metrics of each model measured so far."""
    metrics: dict[ModelName, Metrics] = {
        event.model: event.metrics for event in events if isinstance(event, Metric)
    }
    if record.summary is not None:
        metrics |= record.summary.metrics
    return metrics


def versions(run: str) -> dict[str, str]:
    """Versions of Python and the libraries that the run used; empty before it has started."""
    try:
        return dict(json.loads((run_folder(run) / "versions.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}  # the run has not started


def made_with(run: str) -> str:
    """The version of Excise that carried out the run; this one if none is recorded."""
    return versions(run).get("excise", __version__)


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


def write_predictions(run: str, models: Iterable[ModelName], to: Path) -> bool:
    """Every test row, clean and triggered, with its label and what each of the models predicts for it, as one
    CSV; False, and no file, where the run left none (those of earlier versions did not)."""
    tables = {name: table for name in models if (table := run_folder(run) / name / TABLE).is_file()}
    csv.field_size_limit(2**31 - 1)  # a text may be of any length
    for number, (name, table) in enumerate(tables.items()):
        with (
            table.open(encoding="utf-8", newline="") as file,
            to.open("a", encoding="utf-8", newline="") as out,
        ):
            rows, all_rows = csv.reader(file), csv.writer(out, lineterminator="\n")
            header = next(rows)
            if number == 0:
                all_rows.writerow(["model", *header])
            all_rows.writerows([name, *row] for row in rows)
    return bool(tables)


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


def rewritten_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of such a table."""
    csv.field_size_limit(2**31 - 1)  # a text may be of any length
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def rows_left_out(run: str, most: int = 100) -> list[dict[str, str]]:
    """Split, text and reason of the rows that the run's trigger could not use, the first `most`."""
    path = rewritings(run)
    if path is None:
        return []
    rows = (row for row in rewritten_rows(path) if row["left_out"])
    return [
        {"split": row["split"], "text": row["text"] or row["rewritten"], "left_out": row["left_out"]}
        for row in islice(rows, most)
    ]


def model_folder(run: str, name: ModelName = MODEL_FOLDER) -> Path | None:
    """The defended model, or another, as `save_pretrained` left it; None if the run has none (yet)."""
    folder = run_folder(run) / name
    return folder if (folder / "config.json").is_file() else None


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """While writing to `path`: a full disk or a folder without write permission becomes a UserError."""
    try:
        yield
    except Exception as error:
        if disk_is_full(error):
            raise UserError(
                f"The disk is full: {path} cannot be written. Free some space and try again."
            ) from error
        if isinstance(error, OSError):
            raise UserError(
                f"{path} cannot be written ({error.strerror or error}). Choose another place."
            ) from error
        raise
