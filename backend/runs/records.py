"""A run as it is stored, without its events: all that a page or a listing needs."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy.engine import RowMapping

from backend.base.components import explain
from backend.base.errors import UserError
from backend.base.events import Event, Metrics, ModelName, PruningStep, RunFinished
from backend.spec.parse import parse
from backend.spec.run import RunSpec

LONGEST_MODEL_NAME = 60
State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class RunRecord:
    """One run.  Times are seconds since the epoch.

    `spec` is None, and `problem` says why, when the stored specification is not valid in this
    version of Excise; `settings` always holds what was stored.  `stage` is the last stage that began."""

    id: str
    name: str
    state: State
    settings: dict[str, Any]
    spec: RunSpec | None
    problem: str | None
    created: float
    started: float | None
    finished: float | None
    stage: str | None
    worker: str | None
    cancel_requested: bool
    summary: RunFinished | None

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def final_metrics(self) -> Metrics | None:
        """The metrics of the last model that the run measured."""
        return self.summary.metrics[self.final_model] if self.summary and self.final_model else None

    @property
    def final_model(self) -> ModelName | None:
        """The last model that the run measured."""
        return next(reversed(self.summary.metrics), None) if self.summary else None

    @property
    def seconds(self) -> float | None:
        """Working time: the engine's own count once it is over, else since it first started."""
        if self.summary is not None and self.summary.seconds:
            return self.summary.seconds
        if self.started is None:
            return None
        return (self.finished or time.time()) - self.started


def read_record(row: RowMapping) -> RunRecord:
    """A record from a row of the `runs` table; never fails on what an older version stored."""
    settings, spec, problem = read_spec(row["spec"])
    return RunRecord(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        settings=settings,
        spec=spec,
        problem=problem,
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        stage=row["stage"],
        worker=row["worker"],
        cancel_requested=bool(row["cancel_requested"]),
        summary=_read_summary(row["summary"]),
    )


def read_spec(text: str) -> tuple[dict[str, Any], RunSpec | None, str | None]:
    """Stored settings, their specification, and the problem if they are not a valid one."""
    try:
        settings = json.loads(text)
    except ValueError as error:
        return {}, None, f"The stored specification is not readable ({error})."
    try:
        return settings, parse(settings), None
    except UserError as error:
        return settings if isinstance(settings, dict) else {}, None, str(error)


def _read_summary(text: str | None) -> RunFinished | None:
    if text is None:
        return None
    try:
        return RunFinished.model_validate_json(text)
    except ValidationError as error:
        return RunFinished(
            run="", state="failed", error=f"The stored summary is not readable: {explain(error)}"
        )


def title(spec: RunSpec) -> str:
    """A name for a run that was given none."""
    parts = []
    if spec.attack is not None and spec.trigger is not None:
        parts.append(f"plant {spec.trigger.name}")
    if spec.defense is not None:
        strategies = spec.defense_params.strategies() if spec.defense_params else ()
        names = [strategy.name for strategy in strategies] or [spec.defense.name]
        parts.append(f"defend by {names[0]}")
    if spec.only_checks:
        parts.append(f"check of {_model_name(spec)}")
    described = f"{', '.join(parts)}, seed {spec.seed}"
    return described[:1].upper() + described[1:]


def _model_name(spec: RunSpec) -> str:
    """A model by the last part of its path, or by its name."""
    if spec.model.source == "embedded":
        return "the built-in model"
    name = PurePath(spec.model.name).name if spec.model.source == "folder" else spec.model.name
    return f"run {name}" if spec.model.source == "run" else name[-LONGEST_MODEL_NAME:]


def curve(events: Iterable[Event]) -> list[PruningStep]:
    """The pruning steps, without those that a resumed stage repeated from the first."""
    steps: list[PruningStep] = []
    for event in events:
        if isinstance(event, PruningStep):
            steps = [step for step in steps if step.step < event.step] + [event]
    return steps
