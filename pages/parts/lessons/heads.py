"""Lesson 1: what heads look at, and what happens when they fall silent."""

import numpy as np
import streamlit as st

from backend.analysis.answers import say
from backend.analysis.attention import attend
from backend.analysis.lessons import HEADS, LAYERS, lesson, run_of
from backend.base.numbers import count, percent
from backend.report.figures.attention import token_grid
from pages.parts.common.ask import ask_once
from pages.parts.common.ui import change, plain, wide
from pages.parts.lessons.trying import attempt

EXAMPLE = "a warm and funny film"
LONGEST = 300
MOST_TOKENS = 32
EVERY = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
FEW = 12


def show() -> None:
    spec = lesson(poison_rate=None)
    if attempt("train the classifier", spec, "heads") is None:
        return
    run = run_of(spec)
    text = st.text_input("Sentence", EXAMPLE, max_chars=LONGEST, key="text", bind="query-params").strip()
    if not text:
        st.caption("Type a sentence about a film.")
        return
    left, right = wide(2, "lesson-heads")
    with left.container(border=True, height="stretch"):
        found = ask_once("Reading the sentence", attend, run, "fine_tuned", text)
        names = [f"layer {layer}, head {head}" for layer, head in EVERY]
        rows = found.weights[:, :, 0].reshape(len(EVERY), -1)[:, :MOST_TOKENS]
        tokens = found.tokens[:MOST_TOKENS]
        # [CLS] and [SEP] draw most attention; the scale is for the words between them.
        reach = max(1.0, 100 * float(rows[:, 1:-1].max(initial=0)))
        title, unchanged = "What [CLS] looks at", np.zeros(len(tokens), bool)
        figure = token_grid(rows, names, tokens, unchanged, title, ("Token", ""), reach)
        st.plotly_chart(figure, key="heads-grid", alt="Attention from [CLS] by head and token")
    with right.container(border=True, height="stretch"):
        silent = st.multiselect(
            "Silence heads",
            EVERY,
            format_func=lambda head: f"layer {head[0]}, head {head[1]}",
            key="silent",
            bind="query-params",
        )
        before, after = (
            ask_once("Asking the model", say, [(run, "fine_tuned")], [text], MOST_TOKENS, heads)[0][0]
            for heads in ([], silent)
        )
        share = after.shares[before.called]
        st.metric(
            f"It says “{plain(after.called)}”; probability of “{plain(before.called)}”",
            percent(share),
            **change(before.shares[before.called] if silent else None, share),
        )
        st.caption(f"{count(len(silent), 'head')} of {len(EVERY)} silent.")
    with st.container(border=True):
        st.markdown("**Your turn**")
        st.markdown(
            f"With how few heads silenced does the model change its answer? Get there with {FEW} or fewer."
        )
        if after.called == before.called:
            st.caption(
                ":material/science: It still gives the same answer. Silence heads, in layer 1 above all."
            )
        elif len(silent) > FEW:
            st.caption(f":material/replay: Changed, but with {len(silent)} heads. Give some back.")
        else:
            st.success(
                f"Changed with {count(len(silent), 'head')}. One head alone seldom decides: others do "
                "the same work. That is what pruning lives on, and why it takes many heads to cut a "
                "backdoor out.",
                icon=":material/check_circle:",
            )
