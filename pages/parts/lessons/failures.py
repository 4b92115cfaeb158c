"""Lesson 7: three runs that went wrong."""

import streamlit as st

from backend.analysis.lessons import lesson
from backend.base.numbers import percent
from backend.findings.verdict import Level, Verdict, judge
from backend.report.figures import run as figures
from backend.report.verdict import advice, headline
from backend.runs.progress import RunProgress
from backend.spec.run import RunSpec
from pages.parts.common.ui import plain, wide
from pages.parts.lessons.trying import attempt

CASES = ("Case A", "Case B", "Case C")


def settings(case: str) -> RunSpec:
    """Too little poison; pruning with a weak guardrail; pruning in an order that misses the backdoor."""
    return {
        "Case A": lesson(poison_rate=0.02),
        "Case B": lesson(tau=0.6),
        "Case C": lesson(strategy="random"),
    }[case]


DIAGNOSES: dict[str, tuple[Level, ...]] = {
    "There was no backdoor to begin with": ("never there",),
    "Too much was pruned: accuracy is lost": ("accuracy lost",),
    "The heads that carry the backdoor were not pruned": ("left",),
    "Nothing went wrong: the backdoor is weaker or removed": ("removed", "weaker"),
}


def show() -> None:
    case = st.segmented_control(
        "Case", CASES, default="Case A", required=True, key="case", bind="query-params"
    )
    progress = attempt(case, settings(case), f"case-{case}", "Planting, fine-tuning, pruning")
    if progress is None:
        return
    verdict = judge(progress)
    if verdict is None:
        st.caption("This run has no results. Try another case.")
        return
    _numbers(progress, case)
    with st.container(border=True):
        st.markdown("**Your turn**")
        answer = st.radio("What happened?", list(DIAGNOSES), index=None, key=f"diagnosis-{case}")
        if answer is None:
            st.caption(":material/science: Ask the three questions above, in order.")
        elif verdict.level in DIAGNOSES[answer]:
            st.success("Correct: the numbers show this.", icon=":material/check_circle:")
            _verdict(verdict)
        else:
            st.error(
                "The numbers show something else. Start with the first question.", icon=":material/replay:"
            )


def _numbers(progress: RunProgress, case: str) -> None:
    st.dataframe(
        [
            {
                "Model": title,
                "ACC": percent(progress.metrics[name].acc),
                "LFR": percent(progress.metrics[name].lfr),
                "Without a trigger (floor)": percent(progress.metrics[name].clean_flip_rate),
            }
            for name, title in (
                ("poisoned", "As downloaded"),
                ("fine_tuned", "Fine-tuned"),
                ("pruned", "Pruned"),
            )
            if name in progress.metrics
        ],
        hide_index=True,
        alt="ACC, LFR and floor of each model",
    )
    left, right = wide(2, "case")
    with left.container(border=True, height="stretch"):
        st.plotly_chart(
            figures.pruning_curve(progress.steps), key=f"{case}-curve", alt="ACC and LFR by heads pruned"
        )
    with right.container(border=True, height="stretch"):
        st.plotly_chart(
            figures.head_grid(progress.scores, progress.steps),
            key=f"{case}-grid",
            alt="Heads, pruned ones crossed",
        )


def _verdict(verdict: Verdict) -> None:
    st.markdown(plain(headline(verdict)))
    for sign in advice(verdict):
        st.warning(f"**{plain(sign.title)}**: {plain(sign.shows)}. {plain(sign.tries)}")
