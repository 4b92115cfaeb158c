"""Lesson 2: how little poison it takes."""

import streamlit as st

from backend.analysis.lessons import lesson
from backend.runs.progress import RunProgress
from pages.parts.lessons.trying import attempt, chart, choose, question, tried

RATES = {"1 %": 0.01, "2 %": 0.02, "5 %": 0.05, "10 %": 0.1, "20 %": 0.2, "50 %": 0.5}
PLANTED = 0.9


def show() -> None:
    options = {name: lesson(poison_rate=rate, defend=False) for name, rate in RATES.items()}
    chosen = choose("Poison rate", options, "rate")
    progress = attempt(f"poison {chosen}", options[chosen], "backdoor", "Planting the backdoor")
    runs = tried(options)
    chart(runs, "poisoned", "ACC and LFR of the poisoned model", "Poison rate", "backdoor")
    if progress is not None and progress.rows is not None:
        metrics = progress.metrics["poisoned"]
        st.caption(
            f"{chosen}: {progress.rows.poisoned} poisoned sentences. ACC {100 * metrics.acc:.1f} %, "
            f"LFR {100 * (metrics.lfr or 0):.1f} %, floor {100 * (metrics.clean_flip_rate or 0):.1f} %."
        )
    question(
        "From which poison rate on are at least nine in ten triggered rows flipped?",
        list(RATES),
        lowest(runs),
        "A few dozen sentences are enough, and accuracy on clean rows does not reveal them.",
        "Find two neighbouring rates, one that plants the backdoor and one that does not.",
        "backdoor",
    )


def lowest(runs: dict[str, RunProgress]) -> int | None:
    """The index of the lowest rate that plants the backdoor; None until it and the one below were tried."""
    names = list(RATES)
    flips = [runs[name].metrics["poisoned"].lfr if name in runs else None for name in names]
    for number, flipped in enumerate(flips):
        below = flips[number - 1] if number else 0.0
        if flipped is not None and flipped >= PLANTED and below is not None and below < PLANTED:
            return number
    return None
