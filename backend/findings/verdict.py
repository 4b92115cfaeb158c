"""The rules for what became of the backdoor, and for the signs of what went wrong.

A verdict claims no more than the 95 % intervals support (`rates.clearly_above`), and nothing about the
backdoor of a model that may only guess (`rates.at_chance`).  The signs are the failure signatures of the
method (arXiv 2508.20032), and classes that were lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Literal

from backend.base.events import Metrics
from backend.evaluation.rates import Rate, acc_of, at_chance, clearly_above, floor_of, lfr_of
from backend.findings.battery import Finding
from backend.findings.caveats import lost_classes
from backend.runs.progress import RunProgress
from backend.spec.run import is_untrained

Level = Literal[
    "removed",
    "weaker",
    "left",
    "never there",
    "nothing planted",
    "accuracy lost",
    "at chance",
    "suspicious",
    "unknown",
    "meaningless",
]
SignName = Literal[
    "accuracy fell by pruning",
    "accuracy fell by second fine-tuning",
    "flips stayed",
    "nothing pruned",
    "only the second fine-tuning helped",
    "seeds disagree",
    "class lost",
]

SHARP_FALL = 0.05
"""A loss of accuracy that no defender would accept, as a share of rows."""
WIDE_SPREAD = 0.15
"""A standard deviation of LFR over seeds above which nothing is settled."""


@dataclass(frozen=True)
class Sign:
    """Something that went wrong, with the shares that show it: ACC or LFR before and after; LFR in the end;
    validation accuracy tried and τ; the LFR of each seed; or the `classes` concerned."""

    name: SignName
    shares: tuple[float | None, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What became of the victim between the `first` and the `last` model that were measured.

    `battery` is what known triggers do to the last model, the strongest first, where they were tried.
    `fine_tuned` is the model that the loss of accuracy is counted from, `reference` one that was never
    poisoned, where there is one.  `hedged`: rewriting alone flips some rows, and without a reference it is
    not known how many."""

    level: Level
    first: Metrics
    last: Metrics
    fine_tuned: Metrics | None = None
    reference: Metrics | None = None
    hedged: bool = False
    signs: tuple[Sign, ...] = ()
    battery: tuple[Finding, ...] = ()

    @property
    def floor(self) -> Rate:
        """The lowest LFR to be expected of the last model."""
        return _floor(self.last, self.reference)

    @property
    def first_floor(self) -> Rate:
        """The LFR to be expected of the first model without a backdoor."""
        return _floor(self.first, self.reference)


def judge(
    progress: RunProgress,
    reference: Metrics | None = None,
    seeds: Sequence[Metrics] = (),
    battery: Sequence[Finding] = (),
) -> Verdict | None:
    """The verdict on a run that is done and measured its victim before and after; None of any other: a run
    that failed or was cancelled shows nothing about a defense that it never finished.

    `reference` are the metrics of a model that was never poisoned, on the same rows; `seeds` those of the
    last models of this run and of runs that differ only in the seed; `battery` what known triggers do to its
    last model."""
    measured = progress.measured()
    if progress.finished is None or progress.finished.state != "done" or len(measured) < 2:
        return None
    first, last = progress.metrics[measured[0]], progress.metrics[measured[-1]]
    if is_untrained(progress.spec):
        return Verdict("meaningless", first, last)
    level = _level(progress, first, last, reference)
    if level == "unknown" and any(finding.suspicious for finding in battery):
        level = "suspicious"
    return Verdict(
        level,
        first,
        last,
        progress.tuned,
        reference,
        progress.rewrites and reference is None,
        tuple(_signs(progress, level, seeds)),
        tuple(battery),
    )


def _level(progress: RunProgress, first: Metrics, last: Metrics, reference: Metrics | None) -> Level:
    if last.lfr is None:
        return "unknown"
    if at_chance(first):
        return "at chance"
    if progress.never_poisoned:
        return "at chance" if at_chance(last) else "nothing planted"
    if not clearly_above(lfr_of(first), _floor(first, reference)):
        return "never there"
    if _lost(progress, last):
        return "accuracy lost"
    if at_chance(last):
        return "at chance"
    if not clearly_above(lfr_of(last), _floor(last, reference)):
        return "removed"
    return "weaker" if clearly_above(lfr_of(first), lfr_of(last)) else "left"


def _floor(model: Metrics, reference: Metrics | None) -> Rate:
    return floor_of(model) if reference is None else lfr_of(reference)


def _lost(progress: RunProgress, model: Metrics) -> bool:
    """Whether the model has lost much of the fine-tuned model's accuracy."""
    before = progress.tuned
    if before is None or before.acc - model.acc <= SHARP_FALL:
        return False
    return clearly_above(acc_of(before), acc_of(model))


def _signs(progress: RunProgress, level: Level, seeds: Sequence[Metrics]) -> list[Sign]:
    """The failure signatures that the numbers show, the gravest first."""
    last = progress.metrics[progress.measured()[-1]]
    signs = [
        _accuracy_fell(progress, last),
        _class_lost(last),
        _flips_stayed(progress, level, last),
        _nothing_pruned(progress),
    ]
    # Where no backdoor was learned, a change of its flip rate means nothing.
    if level not in ("never there", "nothing planted"):
        signs.append(_only_the_second_fine_tuning(progress, last))
    signs += [_seeds_disagree(seeds)]
    return [sign for sign in signs if sign is not None]


def _accuracy_fell(progress: RunProgress, last: Metrics) -> Sign | None:
    tuned, pruned = progress.tuned, progress.metrics.get("pruned")
    worst = min((model for model in (pruned, last) if model is not None), key=lambda model: model.acc)
    if tuned is None or not _lost(progress, worst):
        return None
    if not progress.pruned or (pruned is not None and not _lost(progress, pruned)):
        return Sign("accuracy fell by second fine-tuning", ((pruned or tuned).acc, last.acc))
    return Sign("accuracy fell by pruning", (tuned.acc, worst.acc))


def _class_lost(last: Metrics) -> Sign | None:
    lost = tuple(row.label for row in lost_classes(last))
    return Sign("class lost", classes=lost) if lost else None


def _flips_stayed(progress: RunProgress, level: Level, last: Metrics) -> Sign | None:
    # Without pruning, the order of heads is not to blame.
    return Sign("flips stayed", (last.lfr,)) if level == "left" and progress.pruned else None


def _nothing_pruned(progress: RunProgress) -> Sign | None:
    if not progress.steps or progress.steps[-1].pruned_total or not progress.steps[-1].restored:
        return None
    return Sign("nothing pruned", (progress.steps[-1].tried_val_acc, progress.steps[-1].threshold))


def _only_the_second_fine_tuning(progress: RunProgress, last: Metrics) -> Sign | None:
    tuned, pruned = progress.tuned, progress.metrics.get("pruned")
    if tuned is None or pruned is None or pruned is last or not progress.pruned:
        return None
    by_pruning = clearly_above(lfr_of(tuned), lfr_of(pruned))
    if by_pruning or not clearly_above(lfr_of(pruned), lfr_of(last)):
        return None
    return Sign("only the second fine-tuning helped", (tuned.lfr, pruned.lfr))


def _seeds_disagree(seeds: Sequence[Metrics]) -> Sign | None:
    rates = [metrics.lfr for metrics in seeds if metrics.lfr is not None]
    if len(rates) < 2 or stdev(rates) <= WIDE_SPREAD:
        return None
    return Sign("seeds disagree", tuple(rates))
