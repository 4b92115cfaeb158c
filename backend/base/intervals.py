"""Confidence intervals: of a share of rows, of a difference of shares, of a mean over seeds."""

import math
from collections.abc import Sequence

import numpy as np

from backend.base.events import Interval

Share = tuple[float, Interval]
"""A share with its interval."""
FEWEST_ROWS = 20
"""Rows that a share needs before it is judged: of fewer, or of a class that a model hardly knows, it shows
nothing."""


def wilson(successes: int, rows: int) -> Interval:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest  # slow to import, and most pages need none of it

    bounds = binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    return float(bounds.low), float(bounds.high)


def newcombe(upper: Share, lower: Share) -> Interval:
    """Newcombe's 95 % interval of the difference of two shares, `upper` minus `lower`.

    It is built from Wilson's interval of each: Newcombe, *Interval Estimation for the Difference
    Between Independent Proportions*, Statistics in Medicine 17:873–890, 1998, method 10."""
    (high, (high_least, high_most)), (low, (low_least, low_most)) = upper, lower
    difference = high - low
    return (
        difference - math.hypot(high - high_least, low_most - low),
        difference + math.hypot(high_most - high, low - low_least),
    )


def student(values: Sequence[float] | np.ndarray) -> float:
    """Half of Student's 95 % interval of the mean of two values or more."""
    from scipy.stats import t  # slow to import, and most pages need none of it

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
