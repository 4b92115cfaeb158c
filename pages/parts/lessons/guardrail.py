"""Lesson 5: τ and the step."""

import streamlit as st

from backend.analysis.lessons import lesson
from backend.report.figures import run as figures
from backend.report.sentences import guardrail
from backend.spec.run import RunSpec
from pages.parts.common.ui import plain, wide
from pages.parts.lessons.trying import attempt, question, tried

TAUS = {"0.60": 0.6, "0.80": 0.8, "0.90": 0.9, "0.95": 0.95, "1.00": 1.0}
STEPS = [1, 2, 6]
LOW, HIGH = "0.60", "1.00"
ANSWERS = ["Fewer heads are pruned", "The same number is pruned", "More heads are pruned"]


def settings(tau: str, step: int) -> RunSpec:
    return lesson(poison_rate=0.5, family="syntactic", tau=TAUS[tau], prune_step=step)


def show() -> None:
    left, right = st.columns(2)
    tau = left.segmented_control(
        "τ, as a share of the accuracy before",
        list(TAUS),
        default="0.95",
        required=True,
        key="tau",
        bind="query-params",
    )
    step = right.segmented_control(
        "Heads per step", STEPS, default=2, required=True, key="step", bind="query-params"
    )
    progress = attempt(f"τ {tau}, {step} a step", settings(tau, step), "guard", "Planting, scoring, pruning")
    if progress is not None:
        one, other = wide(2, "guard")
        with one.container(border=True, height="stretch"):
            st.plotly_chart(
                figures.pruning_curve(progress.steps), key="guard-curve", alt="ACC and LFR by heads pruned"
            )
            st.caption(plain(guardrail(progress) or ""))
        with other.container(border=True, height="stretch"):
            st.plotly_chart(
                figures.head_grid(progress.scores, progress.steps),
                key="guard-grid",
                alt="Heads, pruned ones crossed",
            )
    runs = tried({name: settings(name, step) for name in (LOW, HIGH)})
    answer = None
    if len(runs) > 1:
        low, high = len(runs[LOW].pruned), len(runs[HIGH].pruned)
        answer = 0 if high < low else 1 if high == low else 2
    question(
        f"With {step} heads per step: what does raising τ from {LOW} to {HIGH} do?",
        ANSWERS,
        answer,
        "τ sets how much accuracy you are ready to lose. It is the only control that defenders have: "
        "they see accuracy, never LFR.",
        f"Try τ {LOW} and τ {HIGH} with this step.",
        f"guard-{step}",
    )
