"""Head pruning: the defense of arXiv 2508.20032, section 3.

The downloaded model is fine-tuned on clean rows; a strategy orders its heads; they are pruned step by step
under the guardrail on clean validation accuracy; then the model is fine-tuned again without them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from backend.base.components import Choice, pick, registered
from backend.base.errors import UserError
from backend.base.events import Head, HeadScores, PruningStep
from backend.base.steps import Defense, Record, Stage, Step, Steps
from backend.defenses.fine_tuning import FineTuningParams, first_fine_tuning, leave
from backend.defenses.meft import entropy_first
from backend.defenses.onion import OnionSettings, onion_filter
from backend.defenses.second_fine_tuning import REGULARISER_WEIGHT, From, Kind, second_fine_tuning
from backend.spec.run import TrainingSpec

if TYPE_CHECKING:
    from backend.base.reporter import Reporter
    from backend.training.inputs import Inputs


SCORE = Stage(
    "score",
    "Score the heads",
    "Every attention head gets a score from clean data alone: how much does the model need it?",
)
PRUNE = Stage(
    "prune",
    "Prune under the guardrail",
    "Heads are pruned, least important first. After each step the guardrail checks clean validation "
    "accuracy: if it falls below τ, heads are restored and pruning stops.",
)


class GuardedParams(FineTuningParams):
    """The settings of a search under the guardrail."""

    threshold_kind: Literal["relative", "absolute"] = Field(
        "relative",
        title="Guardrail τ is",
        description="A share of the fine-tuned model's validation accuracy, or that accuracy itself.",
    )
    accuracy: Literal["plain", "balanced"] = Field(
        "plain",
        title="Accuracy that the guardrail watches",
        description="The share of validation rows classified correctly, or balanced: the mean of that share "
        "over the classes, so that a rare class counts as much as a frequent one.",
    )
    accuracy_threshold: float = Field(0.95, ge=0, le=1, title="Accuracy threshold τ")
    prune_step: int = Field(4, ge=1, le=1000, title="Heads per step s")
    curve_rows: int = Field(
        400,
        ge=16,
        title="Rows of the live curve",
        description="Test rows, and triggered rows, sampled at each step.",
    )


class HeadPruningParams(GuardedParams):
    strategy: Choice = Field(
        Choice(name="gradient"),
        title="Which heads go first",
        description="The strategy that orders the heads.",
        json_schema_extra={"format": "strategy"},
    )
    entropy: TrainingSpec | None = Field(
        None,
        title="Maximise output entropy first (MEFT)",
        description="First makes the outputs as uncertain as possible, then fine-tunes. None: left out.",
        examples=[{"epochs": 1}],
    )
    refine: TrainingSpec | None = Field(
        TrainingSpec(),
        title="Fine-tune again without the pruned heads",
        description="None: pruning alone, to see its own effect.",
    )
    refine_from: From = Field(
        "downloaded",
        title="Fine-tune again from",
        description="The downloaded encoder with a fresh head (published code), or the pruned model (paper).",
        json_schema_extra={"with": "refine"},
    )
    regulariser: Kind = Field(
        "attention-normalisation",
        title="Regulariser of the second fine-tuning",
        description="PURE's attention normalisation, or the L2 norm of the remaining heads' weights.",
        json_schema_extra={"with": "refine"},
    )
    regulariser_weight: float = Field(
        REGULARISER_WEIGHT, ge=0, title="Regulariser weight", json_schema_extra={"with": "refine"}
    )
    onion: OnionSettings | None = Field(
        None,
        title="Remove surprising words from the texts (ONION)",
        description="Before they are classified. A language model reads each text once for every word: "
        "minutes for a hundred rows. None: no filter.",
    )

    @field_validator("strategy")
    @classmethod
    def _known(cls, strategy: Choice) -> Choice:
        try:
            pick("strategy", registered("strategy"), strategy)
        except UserError as error:
            raise ValueError(str(error)) from error
        return strategy

    @property
    def begins_plainly(self) -> bool:
        return self.entropy is None

    @property
    def reads_language_model(self) -> bool:
        return self.onion is not None

    @property
    def fine_tunes_again(self) -> bool:
        return self.refine is not None

    def strategies(self) -> tuple[Choice, ...]:
        return (self.strategy,)


def head_pruning(params: HeadPruningParams) -> Steps:
    from backend import strategies

    penalty = strategies.fine_tune_regulariser(params.strategy)
    if params.entropy is None:
        fine_tuned = yield first_fine_tuning(params.train_rows, params.fine_tune, penalty)
    else:
        fine_tuned = yield entropy_first(params.train_rows, params.entropy, params.fine_tune, penalty)
    val_acc = fine_tuned["val_acc" if params.accuracy == "plain" else "val_balanced_acc"]
    threshold = absolute(params, val_acc)
    yield _scoring(params, threshold, val_acc)
    pruned = yield _pruning(params, threshold)
    last = "pruned"
    if params.refine is not None:
        last = "refined"
        yield second_fine_tuning(
            [(layer, head) for layer, head in pruned["pruned_heads"]],
            params.train_rows,
            params.refine,
            params.refine_from,
            params.regulariser,
            params.regulariser_weight,
        )
    yield leave(last, onion_filter(params.onion) if params.onion else None)


def absolute(params: HeadPruningParams, val_acc: float) -> float:
    """τ as an absolute validation accuracy."""
    return params.accuracy_threshold * (val_acc if params.threshold_kind == "relative" else 1.0)


def _scoring(params: HeadPruningParams, threshold: float, val_acc: float) -> Step:
    warning = (
        f"τ = {threshold:.3f} lies above the fine-tuned model's own validation accuracy of "
        f"{val_acc:.3f}, so a pruning step passes only if it raises accuracy. Lower τ, "
        "or make it relative to the fine-tuned model."
    )
    return Step(
        SCORE,
        "scored",
        score,
        (params.strategy, params.train_rows, threshold, params.prune_step, params.accuracy == "balanced"),
        reads=("fine_tuned",),
        components=tuple(_with_parts(params.strategy)),
        retell=tell_scores,
        warnings=(warning,) if threshold > val_acc else (),
    )


def _with_parts(strategy: Choice) -> list[Any]:
    """The components of a strategy and of those that it calls."""
    from backend import strategies

    return [registered("strategy")[name] for name in strategies.names_within(strategy)]


def score(
    inputs: "Inputs",
    folder: Path,
    strategy: Choice,
    rows: int | None,
    threshold: float,
    prune_step: int,
    balanced: bool,
) -> Record:
    from backend import strategies
    from backend.pruning.defender import Defender

    defender = Defender.over(inputs, inputs.load("fine_tuned"), rows, threshold, prune_step, balanced)
    defender.tick = inputs.report.ticker("scoring heads")
    result = strategies.score(defender, strategy)
    record = {
        "strategy": strategy.name,
        "scores": [[float(score) for score in row] for row in result.scores],
        "order": result.order,
        "guardrail": result.guardrail,
        "step_sizes": list(result.step_sizes),
        "note": result.note,
    }
    tell_scores(inputs.report, record)
    return record


def tell_scores(report: "Reporter", record: Record) -> None:
    fields = {name: record.get(name) for name in ("strategy", "scores", "order", "guardrail", "note")}
    report.emit(HeadScores, layers=len(record["scores"]), heads=len(record["scores"][0]), **fields)


def _pruning(params: HeadPruningParams, threshold: float) -> Step:
    return Step(
        PRUNE,
        "pruned",
        prune,
        (params.train_rows, threshold, params.prune_step, params.curve_rows, params.accuracy == "balanced"),
        reads=("fine_tuned", "scored"),
        model="pruned",
        caption="With the pruned heads cut out",
        retell=tell_steps,
        expected={"pruned_heads": []},
    )


def prune(
    inputs: "Inputs",
    folder: Path,
    rows: int | None,
    threshold: float,
    prune_step: int,
    curve_rows: int,
    balanced: bool,
) -> Record:
    from backend.base.checkpoints import read_record
    from backend.heads.order import HeadOrder
    from backend.heads.surgery import zeroed
    from backend.pruning.defender import Defender

    scored = read_record(inputs.folders["scored"])
    order = HeadOrder(
        np.array(scored["scores"]),
        _heads(scored["order"]),
        scored["guardrail"],
        step_sizes=scored.get("step_sizes", ()),
    )
    defender = Defender.over(inputs, inputs.load("fine_tuned"), rows, threshold, prune_step, balanced)
    curve = inputs.curve(defender.grid, curve_rows)
    tick = inputs.report.ticker("pruning steps", "steps")
    most_steps = -(-len(order.order) // prune_step)
    grid = np.zeros(defender.shape, dtype=bool)
    steps: list[dict[str, Any]] = []
    for step in defender.steps(order):
        grid = step.pruned
        acc, lfr = curve(grid)
        steps.append(
            {
                "step": step.number,
                "pruned": step.kept,
                "restored": step.restored,
                "pruned_total": int(grid.sum()),
                "tried_val_acc": step.tried_val_acc,
                "val_acc": step.val_acc,
                "acc": acc,
                "lfr": lfr,
                "threshold": threshold,
            }
        )
        inputs.report.emit(PruningStep, **steps[-1])
        tick(step.number, most_steps)
    defender.grid.gate(grid)
    inputs.save(zeroed(defender.grid), folder)
    return {"pruned_heads": _heads(np.argwhere(grid)), "steps": steps}


def tell_steps(report: "Reporter", record: Record) -> None:
    for step in record["steps"]:
        report.emit(PruningStep, **step)


def _heads(pairs: Sequence[Any] | np.ndarray) -> list[Head]:
    return [(int(layer), int(head)) for layer, head in pairs]


COMPONENT = Defense(
    name="head-pruning",
    title="Head pruning",
    summary="Prunes the heads that clean data need least under a guardrail, then fine-tunes the model again.",
    params=HeadPruningParams,
    function=head_pruning,
)
