"""Questions to a run's models: the page says what it waits for, and how many questions come first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from backend.base.numbers import count
from backend.base.warm_process import warm_process

P = ParamSpec("P")
T = TypeVar("T")

KEPT = 24


def ask(doing: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(*args, **kwargs)` answered by the warm process, under a spinner that says `doing`.

    Raises the UserError that the function raises (show it with `show_errors`)."""
    ahead = warm_process().waiting
    said = f"{doing}…" if not ahead else f"{doing}… {count(ahead, 'question')} before yours."
    with st.spinner(said, show_time=True):
        return warm_process().ask(function, *args, **kwargs)


def ask_once(doing: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`ask`, unless this session asked the same recently."""
    question = (function.__module__, function.__name__, repr(args), repr(kwargs))
    answer: T = kept(question, lambda: ask(doing, function, *args, **kwargs))
    return answer


def kept(question: Hashable, find: Callable[[], Any] | None = None) -> Any:
    """The session's recent answer to the question; else that of `find`, or None without one."""
    answers: OrderedDict[Hashable, Any] = st.session_state.setdefault("answers", OrderedDict())
    if question not in answers:
        if find is None:
            return None
        answers[question] = find()
        while len(answers) > KEPT:
            answers.popitem(last=False)
    answers.move_to_end(question)
    return answers[question]
