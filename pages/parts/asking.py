"""Questions to a run's models: the page says what it waits for, and for whom it waits."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import streamlit as st

from backend.interactive import warm_process
from backend.report.numbers import count

P = ParamSpec("P")
T = TypeVar("T")


def ask(doing: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(*args, **kwargs)` answered by the warm process, under a spinner that says `doing`.

    Raises the UserError that the function raises (show it with `told`)."""
    ahead = warm_process().waiting
    said = f"{doing}…" if not ahead else f"{doing}… {count(ahead, 'question')} before yours."
    with st.spinner(said, show_time=True):
        return warm_process().ask(function, *args, **kwargs)
