"""What a run left to be looked at: its models and its triggered test rows.  Reads files alone, no torch."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backend.analysis.answers import Place
from backend.base.checkpoints import read_record
from backend.base.events import ModelName
from backend.base.paths import run_folder
from backend.runs.progress import RunProgress, models_of
from backend.runs.records import RunRecord
from backend.runs.results import rewritings, rewritten_rows


@dataclass(frozen=True)
class Pair:
    """A test row of a class that is not the target: as it is, and with its trigger.  `second` is the other
    text of a row of two."""

    clean: str
    triggered: str
    label: str
    second: str = ""


def models_left(run: str) -> list[ModelName]:
    """The models of a run whose checkpoints are there, in the order of the progress."""
    left = sorted(run_folder(run).glob("[!.]*/config.json"), key=lambda config: config.stat().st_mtime_ns)
    return [config.parent.name for config in left if _measured(config.parent)]


def _measured(folder: Path) -> bool:
    """Whether the run tells of that model: one that is only a step on the way has no numbers."""
    try:
        return "metrics" in read_record(folder)
    except (OSError, ValueError):
        return True


def places(record: RunRecord) -> dict[ModelName, Place]:
    """The models of a run's progress that are at hand, in its order: those that it left, and the poisoned one
    that it began with, though another run planted it."""
    order = list(models_of(record.spec, RunProgress()))
    left = sorted(models_left(record.id), key=lambda name: order.index(name) if name in order else -1)
    found: dict[ModelName, Place] = {name: (record.id, name) for name in left}
    if "poisoned" in found or record.spec is None or record.spec.model.source != "run":
        return found
    planted = record.spec.model.name
    return {"poisoned": (planted, "poisoned"), **found} if "poisoned" in models_left(planted) else found


def pairs(run: str, most: int = 200) -> list[Pair]:
    """The first `most` triggered test rows of a run; empty where it has none (yet)."""
    return list(islice(_pairs(run), most))


def _pairs(run: str) -> Iterator[Pair]:
    path = rewritings(run)
    if path is None:
        return
    with suppress(OSError, KeyError):
        for row in rewritten_rows(path):
            if row["split"] == "test" and not row["left_out"]:
                yield Pair(row["text"], row["rewritten"], row["label"], row.get("second_text") or "")
