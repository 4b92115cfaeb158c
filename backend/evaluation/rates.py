"""Rates with their intervals, when one is clearly above another, and when a model only guesses."""

from backend.base.events import Interval, Metrics
from backend.base.intervals import newcombe

Rate = tuple[float | None, Interval | None]


def acc_of(metrics: Metrics) -> Rate:
    """ACC with its interval."""
    return metrics.acc, metrics.acc_interval


def lfr_of(metrics: Metrics) -> Rate:
    """LFR with its interval."""
    return metrics.lfr, metrics.lfr_interval


def floor_of(metrics: Metrics) -> Rate:
    """The clean flip rate with its interval."""
    return metrics.clean_flip_rate, metrics.clean_flip_rate_interval


def at_chance(metrics: Metrics) -> bool:
    """Whether the model may only guess: Wilson's interval of its ACC does not lie above the agreement that
    predictions as frequent as its own have with the labels by chance (Cohen, *A Coefficient of Agreement for
    Nominal Scales*, 1960).

    That is 1/k for a model that guesses among k equal classes, and the share of the commonest class for one
    that predicts it always, however rare the others are.  False where it is not known: without the rows by
    class, or with rows of one class alone."""
    measured = [row for row in metrics.per_class if row.rows]
    if len(measured) < 2:
        return False
    predicted = [sum(counts) for counts in zip(*(row.called for row in metrics.per_class), strict=True)]
    rows = sum(predicted)
    by_class = zip(metrics.per_class, predicted, strict=True)
    chance = sum(row.rows * times for row, times in by_class) / rows**2
    return bool(metrics.acc_interval[0] <= chance)


def errs_more(model: Metrics, other: Metrics) -> bool:
    """Whether `model` clearly errs more on clean rows, so that its LFR is no floor for the LFR of `other`."""
    return clearly_above(acc_of(other), acc_of(model))


def clearly_above(upper: Rate, lower: Rate) -> bool:
    """Whether `upper` is clearly higher: Newcombe's 95 % interval of the difference lies above zero.

    False if a rate or its interval is unknown."""
    (high, high_bounds), (low, low_bounds) = upper, lower
    if high is None or low is None or high_bounds is None or low_bounds is None:
        return False
    least, _ = newcombe((high, high_bounds), (low, low_bounds))
    return least > 0
