"""Where files are read: in this process, or, where it serves people, in one that a bad file may break."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import psutil

from backend.base.brief_process import Ended, Limits, ask_apart
from backend.base.errors import UserError
from backend.data.reading.bounds import SMALLER, size_text

P = ParamSpec("P")
T = TypeVar("T")

MOST_MEMORY = 6 << 30
MOST_SECONDS = 300.0
MOST_ANSWERED = 1 << 28
"""Bytes of the rows that a process which serves people takes over."""


class Elsewhere:
    """Whether this process has files read elsewhere, and what it does meanwhile."""

    enabled = False
    while_waiting: Callable[[], object] = staticmethod(lambda: None)


def read_elsewhere(while_waiting: Callable[[], object]) -> None:
    """From now on this process has files read by processes of their own.

    `while_waiting` is called several times a second; if it raises, because nobody waits any more, the reading
    ends."""
    Elsewhere.while_waiting = staticmethod(while_waiting)
    Elsewhere.enabled = True


def bounded(what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(*args, **kwargs)`, which reads `what`, called here or elsewhere.

    Raises the UserError that the function raises, and one that names the limit which the reading met."""
    if not Elsewhere.enabled:
        return function(*args, **kwargs)
    limits = Limits(min(MOST_MEMORY, psutil.virtual_memory().total // 2), MOST_SECONDS, MOST_ANSWERED)
    try:
        return ask_apart(limits, Elsewhere.while_waiting, function, *args, **kwargs)
    except Ended as ended:
        reasons = {
            "memory": f"takes more than {size_text(limits.memory)} of memory, the most that is given to it",
            "death": "ended without an answer, perhaps because memory ran out",
            "time": f"takes more than {MOST_SECONDS / 60:.0f} minutes",
            "answer": f"gives more than {size_text(limits.answer)} of rows, too many for the dashboard",
        }
        advice = {
            "answer": "Set the numbers of training, validation and test rows, or run it on the command line.",
            "time": f"{SMALLER} On the command line it may take as long as it needs.",
        }
        raise UserError(
            f"Reading {what} {reasons[ended.reason]}. {advice.get(ended.reason, SMALLER)}"
        ) from ended
