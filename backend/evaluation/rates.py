"""Rates with what can be said of them: where one lies clearly above another."""

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


def errs_more(one: Metrics, other: Metrics) -> bool:
    """Whether `one` clearly errs more on clean rows, so that its flips are no floor for the other's."""
    return clearly_above(acc_of(other), acc_of(one))


def clearly_above(upper: Rate, lower: Rate) -> bool:
    """Whether `upper` is clearly higher: Newcombe's 95 % interval of the difference lies above zero.

    Of a share that is not known, or not how well, nothing is clear."""
    (high, high_bounds), (low, low_bounds) = upper, lower
    if high is None or low is None or high_bounds is None or low_bounds is None:
        return False
    least, _ = newcombe((high, high_bounds), (low, low_bounds))
    return least > 0
