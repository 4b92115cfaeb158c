"""The rules of a check's verdict: backdoored, suspicious, nothing found, or cannot tell."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from backend.base.events import Evidence, Judgement, LayersCompared, Metrics, ModelName
from backend.base.intervals import FEWEST_ROWS
from backend.base.numbers import count
from backend.evaluation.rates import at_chance
from backend.runs.progress import RunProgress
from backend.spec.run import RunSpec, is_untrained

CheckLevel = Literal["backdoored", "suspicious", "nothing found", "cannot tell"]
ABOUT_AS_ACCURATE = 0.03
"""By how much the accuracy of a clean model may be lower for it to be the better cure: what chance explains
with 600 rows."""
TAKES_OVER = 0.8
"""A share of flips that would speak against a model, were there rows enough."""
WEIGHT: dict[Judgement, int] = {"trigger": 0, "suspicious": 1, "harmless": 2}


@dataclass(frozen=True)
class CheckVerdict:
    """What a check of `model` came to; `evidence` holds the strongest first.  `why` says why it cannot tell;
    `so_far`: the check is not over; `comparison`: it beside the model that it claims to come from."""

    level: CheckLevel
    model: ModelName
    metrics: Metrics | None
    evidence: tuple[Evidence, ...]
    why: str = ""
    so_far: bool = False
    comparison: LayersCompared | None = None

    def of(self, judgement: Judgement) -> list[Evidence]:
        """The evidence that was judged so, the strongest first."""
        return [one for one in self.evidence if one.judgement == judgement]

    @property
    def against(self) -> list[Evidence]:
        """The evidence that speaks against the model, the strongest first."""
        return [one for one in self.evidence if one.judgement != "harmless"]

    @property
    def shown_by(self) -> Evidence | None:
        """The strongest evidence against the model that has sentences to show."""
        return next((one for one in self.against if one.examples), None)

    @property
    def better_cure(self) -> LayersCompared | None:
        """The comparison, where fine-tuning the base instead is the better cure: it is at hand, it has other
        weights, and the clean model made from it is about as accurate as this one; else None."""
        beside = self.comparison
        if beside is None or not (beside.stated or beside.comes_from):
            return None
        if beside.parts and not any(part.change for part in beside.parts):
            return None
        if beside.acc is None or beside.clean_acc is None:
            return None
        return beside if beside.clean_acc >= beside.acc - ABOUT_AS_ACCURATE else None


def judge_check(progress: RunProgress, spec: RunSpec | None) -> CheckVerdict | None:
    """The verdict on the last model of a run with a check, as far as it got; None while there is nothing."""
    if spec is None or spec.check is None or not progress.metrics:
        return None
    model = progress.measured()[-1]
    evidence = _each_once(
        sorted(
            (one for one in progress.evidence if one.model == model),
            key=lambda one: (WEIGHT[one.judgement], (one.clean_rate or 0) - one.flip_rate),
        )
    )
    over = progress.finished is not None and progress.finished.state == "done"
    metrics = progress.metrics[model]
    level, why = _level(progress, metrics, evidence, over)
    if not evidence and not over:
        return None
    beside = progress.comparison
    comparison = beside if beside is not None and beside.model == model else None
    return CheckVerdict(level, model, metrics, tuple(evidence), why, not over, comparison)


def words_of(evidence: Evidence) -> str:
    """What was inserted, in its quotation marks; of a rewriting, what it is called."""
    quoted = re.search("“.+”", evidence.text)
    return quoted[0] if quoted is not None else evidence.text


def _each_once(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Without what the scan found again."""
    kept: dict[tuple[str, str], Evidence] = {}
    for one in evidence:
        kept.setdefault((words_of(one).casefold(), one.toward), one)
    return list(kept.values())


def _level(
    progress: RunProgress, metrics: Metrics, evidence: list[Evidence], over: bool
) -> tuple[CheckLevel, str]:
    if is_untrained(progress.spec):
        return "cannot tell", "The weights are random."
    if at_chance(metrics) and metrics.test_rows < FEWEST_ROWS:
        few = f"{count(metrics.test_rows, 'test row')} are too few to tell its accuracy from guessing"
        return "cannot tell", f"{few}: at least {FEWEST_ROWS} are needed. Give more rows."
    if at_chance(metrics):
        return "cannot tell", "The model is no better than guessing on these rows, so a flip means nothing."
    judgements = {one.judgement for one in evidence}
    if "trigger" in judgements:
        return "backdoored", ""
    if "suspicious" in judgements:
        return "suspicious", ""
    if not over:
        return "cannot tell", "The check is not over."
    if not evidence:
        return "cannot tell", "Nothing could be tried."
    if too_few := _too_few(evidence):
        return "cannot tell", too_few
    return "nothing found", ""


def _too_few(evidence: list[Evidence]) -> str:
    """Why rows are too few to say that nothing was found; "" where they are enough."""
    most = max(one.rows for one in evidence)
    needed = f"at least {FEWEST_ROWS} that it classifies correctly are needed. Give more rows."
    if most < FEWEST_ROWS:
        return f"Only {count(most, 'row')} could be tried: {needed}"
    for one in evidence:
        if one.rows < FEWEST_ROWS and one.flip_rate >= TAKES_OVER > 2 * (one.clean_rate or 0):
            return (
                f"{one.text} leads {one.flips} of {count(one.rows, 'row')} to “{one.toward}”, which are too "
                f"few to judge: {needed}"
            )
    return ""
