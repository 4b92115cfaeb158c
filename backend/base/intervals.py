"""How far a share that was counted on so many rows, or a mean of so many seeds, may be off."""

import math
from collections.abc import Sequence

import numpy as np

from backend.base.events import Interval


def wilson(successes: int, rows: int) -> Interval:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest  # slow to import, and most pages need none of it

    found = binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def student(values: Sequence[float] | np.ndarray) -> float:
    """Half of Student's 95 % interval of the mean of two values or more."""
    from scipy.stats import t  # slow to import, and most pages need none of it

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
