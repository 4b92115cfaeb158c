"""Lesson 1: what heads look at, and what happens when they are switched off."""

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
        attention = ask_once("Reading the sentence", attend, run, "fine_tuned", text)
        names = [f"layer {layer}, head {head}" for layer, head in EVERY]
        rows = attention.weights[:, :, 0].reshape(len(EVERY), -1)[:, :MOST_TOKENS]
        tokens = attention.tokens[:MOST_TOKENS]
        # [CLS] and [SEP] draw most attention; the scale is for the words between them.
        reach = max(1.0, 100 * float(rows[:, 1:-1].max(initial=0)))
        title, unchanged = "What [CLS] looks at", np.zeros(len(tokens), bool)
        figure = token_grid(rows, names, tokens, unchanged, title, ("Token", ""), reach)
        st.plotly_chart(figure, key="heads-grid", alt="Attention from [CLS] by head and token")
    with right.container(border=True, height="stretch"):
        switched_off = st.multiselect(
            "Switch off heads",
            EVERY,
            format_func=lambda head: f"layer {head[0]}, head {head[1]}",
            key="silent",
            bind="query-params",
        )
        before, after = (
            ask_once("Asking the model", say, [(run, "fine_tuned")], [text], MOST_TOKENS, heads)[0][0]
            for heads in ([], switched_off)
        )
        share = after.shares[before.called]
        st.metric(
            f"Prediction: “{plain(after.called)}”; probability of “{plain(before.called)}”",
            percent(share),
            **change(before.shares[before.called] if switched_off else None, share),
        )
        st.caption(f"{count(len(switched_off), 'head')} of {len(EVERY)} switched off.")
    with st.container(border=True):
        st.markdown("**Your turn**")
        st.markdown(f"How few heads must you switch off to change the prediction? Try with {FEW} or fewer.")
        if after.called == before.called:
            st.caption(
                ":material/science: The prediction is still the same. Try switching off heads in layer 1 "
                "first."
            )
        elif len(switched_off) > FEW:
            st.caption(
                f":material/replay: Changed, but with {len(switched_off)} heads. Switch some on again."
            )
        else:
            st.success(
                f"Changed with {count(len(switched_off), 'head')}. One head alone rarely decides: others do "
                "the same work. That is why pruning is possible, and why many heads must be pruned to "
                "remove a backdoor.",
                icon=":material/check_circle:",
            )
