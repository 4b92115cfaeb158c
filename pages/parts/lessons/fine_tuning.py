"""Lesson 3: what fine-tuning on clean rows does to a backdoor."""

import streamlit as st

from backend.analysis.lessons import lesson
from backend.base.numbers import percent
from pages.parts.lessons.trying import attempt, chart, choose, question, tried

GENTLE = "1 epoch at 0.00005"
WAYS = {GENTLE: (1.0, 5e-5), "2 epochs at 0.0002": (2.0, 2e-4), "2 epochs at 0.001": (2.0, 1e-3)}
ANSWERS = ["More than 50 points", "10 to 50 points", "Less than 10 points"]


def show() -> None:
    options = {name: lesson(epochs=epochs, learning_rate=rate) for name, (epochs, rate) in WAYS.items()}
    chosen = choose("Fine-tuning: how long, at which learning rate", options, "fine-tuning")
    attempt(f"fine-tune {chosen}", options[chosen], "tuning", "Planting, then fine-tuning")
    runs = tried(options)
    if runs:
        planted = next(iter(runs.values())).metrics["poisoned"]
        st.caption(f"As downloaded: ACC {percent(planted.acc)}, LFR {percent(planted.lfr)}.")
    chart(runs, "fine_tuned", "After fine-tuning on clean rows", "Fine-tuning", "tuning")
    right = None
    if GENTLE in runs and len(runs) > 1:
        progress = runs[GENTLE]
        lost = (progress.metrics["poisoned"].lfr or 0) - (progress.metrics["fine_tuned"].lfr or 0)
        right = 0 if lost > 0.5 else 1 if lost >= 0.1 else 2
    question(
        f"By how much did the gentle fine-tuning ({GENTLE}) lower LFR?",
        ANSWERS,
        right,
        "That is what your runs show. Clean rows never make the model forget a word that they do not "
        "contain; "
        "so defenders first prune something, then fine-tune.",
        f"Try “{GENTLE}” and a stronger one.",
        "tuning",
    )
