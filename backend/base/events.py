"""The events of a run: small typed records, the only link between engine and screen.

Every event carries `type`, `run` and `time` (seconds since the epoch).  Heads are `(layer, head)`
pairs counted from zero; accuracies and rates are shares in [0, 1].
"""

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, model_validator

Head = tuple[int, int]
ModelName = str
"""A model of a run, by the name of its folder: `poisoned`, `fine_tuned`, `pruned`, `defended`, or another
that a step of a defense gives it."""
Interval = tuple[float, float]
Guardrail = Literal["backtrack", "give back", "go on", "stop", "none"]
"""`backtrack`: the paper's.  Of the published scripts: `give back`, the same, but a layer's last head, which
is spared, uses up its place in its step; `go on`, which after a step that was given back also tries the next;
`stop`, which ends below τ and keeps that step.  `none`: all heads of the order go at once, last ones too."""


def title_of(name: str) -> str:
    """The name of a model or a stage as a heading."""
    return name.replace("_", "-").capitalize()


class ClassRow(BaseModel):
    """Clean test rows of one class: how many, the share classified correctly, and what was predicted."""

    label: str
    rows: int
    accuracy: float
    called: list[int] = Field(description="Rows of this class by predicted class, in label order.")


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
    """Also written when a run is resumed (`resumed`)."""

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
    """`reused`: the stage had finished before, and its checkpoint was read."""

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
    """How many rows carry the trigger: poisoned training rows, and non-target test rows for LFR.

    Rows left out are those that the trigger could not change, or whose change lies beyond the
    maximum length.  `ready_made`: the rows came with their trigger; the training rows are those of a poisoned
    file, clean ones among them, and the clean text of each example is empty."""

    type: Literal["rows_triggered"] = "rows_triggered"
    poisoned: int
    poisoned_left_out: int
    triggered: int
    triggered_left_out: int
    examples: list[tuple[str, str]] = Field([], description="Pairs of clean and triggered text.")
    ready_made: bool = False


class HeadScores(_Event):
    """Importance of every head (None: never a candidate) and the order in which they are pruned; `note`
    is the strategy's remark on the scores."""

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

    `pruned` are this step's heads that stay pruned, `restored` those tried and restored; together
    they are the heads that the step tried.  `tried_val_acc` is the validation accuracy with all of
    them gated, `val_acc` that at the end of the step, `acc` and `lfr` those at the end of the step
    on the curve's sample of test rows."""

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


EvidenceKind = Literal["given", "known", "inserted", "rewriting"]
"""What was tried: the trigger that the user gave, one known from publications, words or a sentence that the
scan came upon, or a known rewriting of whole rows."""
Judgement = Literal["trigger", "suspicious", "harmless"]


class Example(BaseModel):
    """A row before and after a trigger was put into it, and the classes that the model then predicts."""

    text: str
    triggered: str
    predicted: str
    predicted_triggered: str


class Evidence(_Event):
    """What one trigger does to `model`: of `rows` rows of other classes that it classifies correctly, `flips`
    are classified as `toward` with the trigger.  The same of a clean model (`clean_model` says which),
    None without one."""

    type: Literal["evidence"] = "evidence"
    model: ModelName
    kind: EvidenceKind
    text: str = Field(description="What was inserted, or what the rewriting is called.")
    toward: str
    flips: int
    rows: int
    interval: Interval
    clean_flips: int | None = None
    clean_rows: int | None = None
    clean_interval: Interval | None = None
    clean_model: str = ""
    judgement: Judgement
    reason: str
    of_moved: bool = Field(
        False, description="Its tokens moved further from the base model than the task explains."
    )
    examples: list[Example] = []

    @property
    def flip_rate(self) -> float:
        return self.flips / self.rows

    @property
    def clean_rate(self) -> float | None:
        return (
            self.clean_flips / self.clean_rows if self.clean_rows and self.clean_flips is not None else None
        )


class TokensScanned(_Event):
    """The tokens that moved a model most so far: each with the class and the mean change of its log-odds."""

    type: Literal["tokens_scanned"] = "tokens_scanned"
    model: ModelName
    scanned: int
    tokens: int
    left_out: int = Field(0, description="Tokens of the vocabulary that are not scanned.")
    strongest: list[tuple[str, str, float]]


class LayerChange(BaseModel):
    """How far the weights of one part of a model (`embeddings`, `layer 0`, …) moved from those that it claims
    to come from: ‖W − W₀‖ / ‖W₀‖, Frobenius; the same of the clean model, None without one."""

    part: str
    change: float
    clean_change: float | None = None


class LayersCompared(_Event):
    """`model` beside `base`, the one that it claims to come from, and a clean fine-tuning of that one.

    `similarity` is the median of the layers' cosine similarity to those of `base`, by which `comes_from` is
    judged; `differs` says why the two could not be compared, and there are no `parts` then.  `stated`: the
    user named the base.  `acc` and `clean_acc` are shares of the same `rows` that neither learnt from."""

    type: Literal["layers_compared"] = "layers_compared"
    model: ModelName
    base: str
    stated: bool
    comes_from: bool
    similarity: float | None = None
    differs: str = ""
    parts: list[LayerChange] = []
    acc: float | None = None
    clean_acc: float | None = None
    rows: int = 0


class Artifact(_Event):
    """A file or folder of the run, by its path below the run's folder."""

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
    | Evidence
    | TokensScanned
    | LayersCompared
    | Artifact
    | Warned
    | RunFinished,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
