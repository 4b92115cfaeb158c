"""Clean and triggered rows side by side, with what the trigger changed marked."""

import html
from collections.abc import Sequence
from difflib import SequenceMatcher

import streamlit as st

LONGEST = 600
STYLE = (
    "<style>.excise-pairs{width:100%;border-collapse:collapse;font-size:.9rem}"
    ".excise-pairs th{text-align:left;font-weight:600;padding:.35rem .6rem;opacity:.75}"
    ".excise-pairs td{vertical-align:top;padding:.45rem .6rem;border-top:1px solid rgba(128,128,128,.3);"
    "overflow-wrap:anywhere}"
    ".excise-pairs td:first-child{white-space:nowrap}"
    ".excise-pairs mark{background:#D55E00;color:#fff;border-radius:.25rem;padding:0 .25rem}</style>"
)


def examples_table(pairs: Sequence[tuple[str, str, str | None]]) -> None:
    """`(label, clean text, triggered text)`; None where the trigger cannot change the row."""
    labelled = any(label for label, _, _ in pairs)
    head = ("<th>Class</th>" if labelled else "") + "<th>Clean row</th><th>With the trigger</th>"
    body = "".join(_row(label, clean, triggered, labelled) for label, clean, triggered in pairs)
    st.html(f"{STYLE}<table class='excise-pairs'><tr>{head}</tr>{body}</table>")


def _row(label: str, clean: str, triggered: str | None, labelled: bool) -> str:
    first = f"<td>{html.escape(label)}</td>" if labelled else ""
    clean = _short(clean)
    second = "<em>cannot be triggered</em>" if triggered is None else marked(clean, _short(triggered))
    return f"<tr>{first}<td>{html.escape(clean)}</td><td>{second}</td></tr>"


def marked(clean: str, triggered: str) -> str:
    """`triggered` as HTML, escaped, its words that `clean` lacks marked."""
    old, new = clean.split(), triggered.split()
    parts = []
    for what, _, _, start, end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        words = html.escape(" ".join(new[start:end]))
        if words:
            parts.append(words if what == "equal" else f"<mark>{words}</mark>")
    return " ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
