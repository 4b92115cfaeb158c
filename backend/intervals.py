"""How far a share that was counted on so many rows may be off."""

from backend.events import Interval


def wilson(successes: int, rows: int) -> Interval:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest  # slow to import, and most pages need none of it

    found = binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
