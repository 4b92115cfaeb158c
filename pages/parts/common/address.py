"""Choices kept in the address, so that a reload, a bookmark or a shared link shows the same."""

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

T = TypeVar("T", bound=str)


def one_of(name: str, options: Sequence[T], default: T) -> T:
    """The option that the address names, or `default`."""
    asked = st.query_params.get(name)
    return next((option for option in options if option == asked), default)


def some_of(name: str, options: Sequence[T], default: Sequence[T] = ()) -> list[T]:
    """The options that the address names; `default` where it names none."""
    if name not in st.query_params:
        return list(default)
    asked = st.query_params[name].split(",")
    return [option for option in options if option in asked]


def keep(name: str, value: str | None) -> None:
    """Put a choice into the address; None takes it out."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
