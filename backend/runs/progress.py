"""The progress of a run, from its events: its stages, its metrics so far, what is left."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from backend import defenses
from backend.attacks.planting import GENERATE, POISONED, PREPARE, planting
from backend.attacks.triggers import rewrites
from backend.base.events import (
    DataReady,
    Event,
    Evidence,
    Head,
    HeadScores,
    LayersCompared,
    Metric,
    Metrics,
    ModelName,
    Progress,
    PruningStep,
    RowsTriggered,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
    TokensScanned,
    Warned,
    title_of,
)
from backend.base.steps import Stage, Step, planned
from backend.detection.check import as_received, check, receive
from backend.spec.run import ModelSpec, RunSpec

StageState = Literal["waiting", "running", "done", "stopped"]


@dataclass
class StageView:
    """The state of one stage; `seconds` is None until it is done."""

    state: StageState = "waiting"
    title: str = ""
    began: float = 0.0
    seconds: float | None = None
    reused: bool = False


@dataclass
class RunProgress:
    """What the events of a run up to number `seen` tell."""

    seen: int = 0
    spec: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    resumed: bool = False
    stages: dict[str, StageView] = field(default_factory=dict)
    latest: Progress | None = None
    data: DataReady | None = None
    rows: RowsTriggered | None = None
    scores: HeadScores | None = None
    steps: list[PruningStep] = field(default_factory=list)
    metrics: dict[ModelName, Metrics] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    scan: TokensScanned | None = None
    comparison: LayersCompared | None = None
    warnings: list[str] = field(default_factory=list)
    finished: RunFinished | None = None

    @property
    def stage(self) -> str | None:
        """The running stage."""
        return next((stage for stage, view in self.stages.items() if view.state == "running"), None)

    @property
    def never_poisoned(self) -> bool:
        """Whether nothing was planted: the run began with a model that comes with Excise, and no attack."""
        model = self.spec.get("model") or {}
        return bool(self.spec) and not self.spec.get("attack") and model.get("source") == "embedded"

    @property
    def tuned_model(self) -> ModelName | None:
        """The first model of the defender's own: the fine-tuned one, by whatever name its step gives it."""
        return first_tuned(self.metrics)

    @property
    def tuned(self) -> Metrics | None:
        """The numbers of the first model of the defender's own."""
        return self.metrics[self.tuned_model] if self.tuned_model is not None else None

    @property
    def rewrites(self) -> bool:
        """Whether the trigger rewrites rows, so that it flips some predictions of a clean model too."""
        trigger = self.spec.get("trigger") or {}
        return bool(trigger) and rewrites(trigger.get("name", ""), trigger.get("params") or {})

    @property
    def pruned(self) -> list[Head]:
        """Heads pruned so far."""
        return [head for step in self.steps for head in step.pruned]

    @property
    def restored(self) -> list[Head]:
        """Heads that the guardrail restored."""
        return [head for step in self.steps for head in step.restored]

    def measured(self) -> list[ModelName]:
        """The models with metrics, in the order in which they were measured."""
        return list(self.metrics)


def progress_of(events: list[tuple[int, Event]], run_progress: RunProgress | None = None) -> RunProgress:
    """`run_progress` (or a new one), updated with numbered `events`."""
    run_progress = run_progress or RunProgress()
    for number, event in events:
        run_progress.seen = max(run_progress.seen, number)
        _fold(run_progress, event)
    return run_progress


def _fold(run_progress: RunProgress, event: Event) -> None:
    match event:
        case RunStarted():
            run_progress.device, run_progress.resumed, run_progress.finished = (
                event.device,
                event.resumed,
                None,
            )
            run_progress.spec = event.spec
            # Stages that a dead worker had begun start again; its finished ones stay.
            run_progress.stages = {
                stage: view for stage, view in run_progress.stages.items() if view.state == "done"
            }
            run_progress.latest = None
        case StageStarted():
            run_progress.stages[event.stage] = StageView("running", event.title, event.time)
            run_progress.latest = None
        case StageFinished():
            title = (
                run_progress.stages[event.stage].title
                if event.stage in run_progress.stages
                else title_of(event.stage)
            )
            run_progress.stages[event.stage] = StageView(
                "done", title, event.time - event.seconds, event.seconds, event.reused
            )
            run_progress.latest = None
        case Progress():
            run_progress.latest = event
        case DataReady():
            run_progress.data = event
        case RowsTriggered():
            run_progress.rows = event
        case HeadScores():
            run_progress.scores = event
        case PruningStep():
            # A resumed stage repeats its steps from the first.
            run_progress.steps = [step for step in run_progress.steps if step.step < event.step] + [event]
        case Metric():
            run_progress.metrics[event.model] = event.metrics
        case Evidence():
            # A resumed stage tells its evidence again.
            run_progress.evidence = [one for one in run_progress.evidence if not _same(one, event)] + [event]
        case TokensScanned():
            run_progress.scan = event
        case LayersCompared():
            run_progress.comparison = event
        case Warned():
            if event.message not in run_progress.warnings:
                run_progress.warnings.append(event.message)
        case RunFinished():
            run_progress.finished = event
            run_progress.metrics |= event.metrics
            run_progress.latest = None
            for view in run_progress.stages.values():
                if view.state == "running":
                    view.state, view.seconds = "stopped", event.time - view.began


def _same(one: Evidence, other: Evidence) -> bool:
    tried, again = [(event.model, event.kind, event.text, event.toward) for event in (one, other)]
    return tried == again


def steps_ahead(spec: RunSpec) -> list[Step]:
    """The steps that make models, scores or evidence, as far as they are known before any is carried out."""
    steps = [planting(spec.attack)] if spec.attack is not None else []
    steps += [receive()] if spec.only_checks else []
    if spec.defense is not None and spec.attack is None and _may_be_whole(spec.model):
        steps.append(as_received(spec.model))
    steps += planned(defenses.steps_of(spec.defense)) if spec.defense is not None else []
    if spec.check is not None:
        last = [step.folder for step in steps if step.model][-1]
        steps += planned(check(spec.check, last))
    return steps


def _may_be_whole(model: ModelSpec) -> bool:
    """Whether it may be a whole classifier that goes on with its head."""
    return model.head != "fresh" and model.source != "embedded" and not model.random_weights


def stages_of(spec: RunSpec) -> list[Stage]:
    """The stages that a specification asks for, in order."""
    first = [PREPARE] + ([GENERATE] if spec.trigger is not None else [])
    return first + [step.stage for step in steps_ahead(spec)]


def stage_title(spec: RunSpec | None, name: str) -> str:
    """A stage's title by its name."""
    titles = {stage.name: stage.title for stage in stages_of(spec)} if spec is not None else {}
    return titles.get(name, title_of(name))


def models_of(spec: RunSpec | None, run_progress: RunProgress) -> dict[ModelName, str]:
    """The models that the run measures, in order, each with its caption."""
    ahead = {step.model: step.caption for step in steps_ahead(spec) if step.model} if spec else {}
    if run_progress.finished is not None and run_progress.finished.state == "done":
        ahead = {name: caption for name, caption in ahead.items() if name in run_progress.metrics}
    before = as_received(spec.model).caption if spec is not None and spec.attack is None else POISONED
    received = {name: before for name in run_progress.metrics if name not in ahead}
    return received | ahead


def first_tuned(models: Iterable[ModelName]) -> ModelName | None:
    """Of models in the order in which they were made, the first after the attacker's; None where there is
    none but what the defense left."""
    return next((name for name in models if name not in ("poisoned", "received", "defended")), None)


def seconds_left(progress: Progress | None, now: float | None = None) -> float | None:
    """Seconds left in the current piece of work, counted down since the last event."""
    if progress is None or progress.seconds_left is None:
        return None
    return max(0.0, progress.seconds_left - ((now or time.time()) - progress.time))
