"""Rates with their intervals, and when one is clearly above another."""

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
