"""Clean and triggered rows side by side, with what the trigger changed marked word by word."""

import html
from collections.abc import Sequence
from difflib import SequenceMatcher

import streamlit as st

LONGEST = 600


def examples_table(pairs: Sequence[tuple[str, str, str | None]]) -> None:
    """`(label, clean text, triggered text)`; None where the trigger cannot change the row."""
    labelled = any(label for label, _, _ in pairs)
    head = ("<th>Class</th>" if labelled else "") + "<th>Clean row</th><th>With the trigger</th>"
    body = "".join(_row(label, clean, triggered, labelled) for label, clean, triggered in pairs)
    st.html(f"<table class='excise-pairs'><tr>{head}</tr>{body}</table>")


def side_by_side(clean: str, triggered: str | None, instead: str) -> None:
    """One row; `instead` stands where there is no triggered text."""
    old, new = difference(clean, triggered, instead)
    st.html(f"<div class='excise-pair'><div>{old}</div><div>{new}</div></div>")


def _row(label: str, clean: str, triggered: str | None, labelled: bool) -> str:
    first = f"<td>{html.escape(label)}</td>" if labelled else ""
    old, new = difference(clean, triggered, "cannot be triggered")
    return f"<tr>{first}<td>{old}</td><td>{new}</td></tr>"


def difference(clean: str, triggered: str | None, instead: str) -> tuple[str, str]:
    """Both texts as HTML, escaped: words that go are struck out in the one, words that come marked in
    the other; `instead` in place of a text that is None."""
    if triggered is None:
        return html.escape(_short(clean)), f"<em>{html.escape(instead)}</em>"
    old, new = _short(clean).split(), _short(triggered).split()
    before, after = [], []
    for what, a, b, start, end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        gone, come = html.escape(" ".join(old[a:b])), html.escape(" ".join(new[start:end]))
        if gone:
            before.append(gone if what == "equal" else f"<s>{gone}</s>")
        if come:
            after.append(come if what == "equal" else f"<mark>{come}</mark>")
    return " ".join(before), " ".join(after)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
