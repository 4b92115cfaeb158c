"""What a run says while it goes: small typed records, the only thing between engine and screen.

Every event carries `type`, `run` and `time` (seconds since the epoch).  Heads are `(layer, head)`
pairs counted from zero; accuracies and rates are shares in [0, 1].
"""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, model_validator

Head = tuple[int, int]
ModelName = str
"""A model that a run leaves, by the folder it lies in: `poisoned`, `fine_tuned`, `pruned`, `defended`, or
what a step of a defense calls it."""
Interval = tuple[float, float]
Guardrail = Literal["backtrack", "stop", "none"]
"""`backtrack`: the paper's; `stop`: ends below τ and keeps that step; `none`: all heads of the order go
at once.  Only the first spares a layer's last head."""


def title_of(name: str) -> str:
    """The name of a model or a stage as a heading."""
    return name.replace("_", "-").capitalize()


class ClassRow(BaseModel):
    """Clean test rows of one class: how many, how many called right, what they were called instead."""

    label: str
    rows: int
    accuracy: float
    called: list[int] = Field(description="Rows of this class called each class, in label order.")


class Metrics(BaseModel):
    """Held-out numbers of one model; intervals are Wilson 95 %.

    `lfr` and `clean_flip_rate` are None when no trigger is known."""

    acc: float
    acc_interval: Interval
    test_rows: int
    lfr: float | None = None
    lfr_interval: Interval | None = None
    triggered_rows: int = 0
    unchanged_rows: int = Field(0, description="Rows the trigger could not change: left out of LFR.")
    clean_flip_rate: float | None = None
    clean_flip_rate_interval: Interval | None = None
    per_class: list[ClassRow] = []


class _Event(BaseModel):
    run: str
    time: float = Field(default_factory=time.time)


class RunStarted(_Event):
    """Also written when a run is taken up again (`resumed`)."""

    type: Literal["run_started"] = "run_started"
    spec: dict[str, Any]
    device: str
    resumed: bool = False


class StageStarted(_Event):
    type: Literal["stage_started"] = "stage_started"
    stage: str
    title: str = ""

    @model_validator(mode="after")
    def _titled(self) -> "StageStarted":
        """Events of earlier versions have no title."""
        self.title = self.title or title_of(self.stage)
        return self


class StageFinished(_Event):
    """`reused` says that the stage had finished before and its checkpoint was read."""

    type: Literal["stage_finished"] = "stage_finished"
    stage: str
    seconds: float
    reused: bool = False


class Progress(_Event):
    """At most about two a second."""

    type: Literal["progress"] = "progress"
    stage: str
    done: int
    total: int
    unit: str = "batches"
    seconds_left: float | None = None
    detail: str = ""


class DataReady(_Event):
    """What the run works on."""

    type: Literal["data_ready"] = "data_ready"
    source: str
    rows: dict[str, int] = Field(description="Rows in train, validation and test.")
    label_names: list[str]
    target_class: int | None = None


class RowsTriggered(_Event):
    """Rows that carry the trigger now: training rows to be planted, and non-target test rows for LFR.

    Rows left out are those that the trigger could not change, or whose change lies beyond the
    maximum length."""

    type: Literal["rows_triggered"] = "rows_triggered"
    poisoned: int
    poisoned_left_out: int
    triggered: int
    triggered_left_out: int
    examples: list[tuple[str, str]] = Field([], description="Pairs of clean and triggered text.")


class HeadScores(_Event):
    """Importance of every head (None: never a candidate) and the order in which heads go; `note` is what
    the strategy says of them."""

    type: Literal["head_scores"] = "head_scores"
    strategy: str
    layers: int
    heads: int
    scores: list[list[float | None]]
    order: list[Head]
    guardrail: Guardrail = "backtrack"
    note: str = ""


class PruningStep(_Event):
    """One step of the guardrail; step 0 is the fine-tuned model with nothing pruned.

    `pruned` are this step's heads that stay pruned, `restored` those tried and given back, so
    together they are the heads that the step tried.  `tried_val_acc` is the validation accuracy
    with all of them gated, `val_acc` that of what the step left, `acc` and `lfr` those of what it
    left on the curve's sample of test rows."""

    type: Literal["pruning_step"] = "pruning_step"
    step: int
    pruned: list[Head]
    restored: list[Head] = []
    pruned_total: int
    tried_val_acc: float
    val_acc: float
    acc: float
    lfr: float | None = None
    threshold: float = Field(description="The guardrail τ as an absolute validation accuracy.")


class Metric(_Event):
    type: Literal["metric"] = "metric"
    model: ModelName
    metrics: Metrics


class Artifact(_Event):
    """A file or folder that the run left, by its path below the run's folder."""

    type: Literal["artifact"] = "artifact"
    name: str
    path: str


class Warned(_Event):
    type: Literal["warning"] = "warning"
    message: str


class RunFinished(_Event):
    """Always the last event.  `error` is one message for the user when the run failed."""

    type: Literal["run_finished"] = "run_finished"
    state: Literal["done", "failed", "cancelled"]
    metrics: dict[ModelName, Metrics] = {}
    pruned_heads: list[Head] = []
    seconds: float = 0.0
    error: str | None = None
    random_weights: bool = Field(False, description="Untrained weights: the numbers are costs, not results.")


Event = Annotated[
    RunStarted
    | StageStarted
    | StageFinished
    | Progress
    | DataReady
    | RowsTriggered
    | HeadScores
    | PruningStep
    | Metric
    | Artifact
    | Warned
    | RunFinished,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
