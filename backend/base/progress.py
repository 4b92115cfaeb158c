"""Progress callbacks."""

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Called as `tick(done, total)` after each batch; raises `Cancelled` when the run is to stop."""


def no_tick(done: int, total: int) -> None:
    """For callers that need no progress."""
