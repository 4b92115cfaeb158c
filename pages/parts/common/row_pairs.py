"""Clean and triggered rows side by side, with what the trigger changed marked word by word."""

import html
from collections.abc import Sequence

import streamlit as st

from backend.report.html.differences import difference


def examples_table(pairs: Sequence[tuple[str, str, str | None]], heading: str = "Class") -> None:
    """`(label, clean text, triggered text)`, the labels below `heading`; None where the trigger cannot
    change the row."""
    labelled = any(label for label, _, _ in pairs)
    head = (
        f"<th>{html.escape(heading)}</th>" if labelled else ""
    ) + "<th>Clean row</th><th>With the trigger</th>"
    body = "".join(_row(label, clean, triggered, labelled) for label, clean, triggered in pairs)
    st.html(f"<table class='excise-pairs'><tr>{head}</tr>{body}</table>")


def side_by_side(clean: str, triggered: str | None, instead: str) -> None:
    """One row; `instead` is shown where there is no triggered text."""
    old, new = difference(clean, triggered, instead)
    st.html(f"<div class='excise-pair'><div>{old}</div><div>{new}</div></div>")


def _row(label: str, clean: str, triggered: str | None, labelled: bool) -> str:
    first = f"<td>{html.escape(label)}</td>" if labelled else ""
    old, new = difference(clean, triggered, "cannot be triggered")
    return f"<tr>{first}<td>{old}</td><td>{new}</td></tr>"
