"""What a run left behind: its models and its triggered test rows.  Only reads files; no torch."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from backend.analysis.answers import Place
from backend.base.checkpoints import read_record
from backend.base.events import ModelName
from backend.base.paths import run_folder
from backend.detection.check import RECEIVED
from backend.runs.progress import RunProgress, models_of
from backend.runs.records import RunRecord
from backend.runs.results import rewritings, rewritten_rows
from backend.spec.run import RunSpec


@dataclass(frozen=True)
class Pair:
    """A test row of a class that is not the target: as it is, and with its trigger.  `second` is the other
    text of a row of two.  A row that came with its trigger has no clean text, and perhaps no label."""

    clean: str
    triggered: str
    label: str
    second: str = ""

    @property
    def title(self) -> str:
        """Its class and its clean text, or the triggered one where there is no other."""
        return f"{self.label or 'class unknown'} · {self.clean or self.triggered}"


def models_left(run: str) -> list[ModelName]:
    """The models of a run whose checkpoints are there, in the order of the progress."""
    configs = sorted(run_folder(run).glob("[!.]*/config.json"), key=lambda config: config.stat().st_mtime_ns)
    return [config.parent.name for config in configs if _is_measured(config.parent)]


def _is_measured(folder: Path) -> bool:
    """Whether the run reports that model's numbers: it does not of one that is only an intermediate step."""
    try:
        return "metrics" in read_record(folder)
    except (OSError, ValueError):
        return True


def scored_model(spec: RunSpec) -> ModelName:
    """The model of a run whose heads are scored, and switched off one by one."""
    return RECEIVED if spec.only_checks else "fine_tuned"


def places(record: RunRecord) -> dict[ModelName, Place]:
    """The models of a run that can be loaded, in the order of its progress: those that it left, and the
    poisoned one that it began with, even if another run planted it."""
    order = list(models_of(record.spec, RunProgress()))
    left = sorted(models_left(record.id), key=lambda name: order.index(name) if name in order else -1)
    own: dict[ModelName, Place] = {name: (record.id, name) for name in left}
    if "poisoned" in own or record.spec is None or record.spec.model.source != "run":
        return own
    victim = record.spec.model.name
    return {"poisoned": (victim, "poisoned"), **own} if "poisoned" in models_left(victim) else own


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
