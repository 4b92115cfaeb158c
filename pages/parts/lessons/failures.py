"""Lesson 7: three runs that went wrong."""

import streamlit as st

from backend.analysis.lessons import lesson
from backend.base.numbers import percent
from backend.report.figures import run as figures
from backend.report.verdict import Level, Verdict, verdict
from backend.runs.progress import Story
from backend.spec.run import RunSpec
from pages.parts.common.ui import plain, wide
from pages.parts.lessons.trying import attempt

CASES = ("Case A", "Case B", "Case C")


def settings(case: str) -> RunSpec:
    """Poisoned too little; pruned without much of a guardrail; pruned with an order that misses."""
    return {
        "Case A": lesson(poison_rate=0.02),
        "Case B": lesson(tau=0.6),
        "Case C": lesson(strategy="random"),
    }[case]


DIAGNOSES: dict[str, tuple[Level, ...]] = {
    "There was no backdoor to begin with": ("never there",),
    "Too much was cut: accuracy is gone": ("accuracy lost",),
    "The heads that carry the backdoor were not found": ("left",),
    "Nothing went wrong: the backdoor is weaker or gone": ("removed", "weaker"),
}


def show() -> None:
    case = st.segmented_control(
        "Case", CASES, default="Case A", required=True, key="case", bind="query-params"
    )
    story = attempt(case, settings(case), f"case-{case}", "Planting, fine-tuning, pruning")
    if story is None:
        return
    found = verdict(story)
    if found is None:
        st.caption("This run left no numbers. Try another case.")
        return
    _numbers(story, case)
    with st.container(border=True):
        st.markdown("**Your turn**")
        answer = st.radio("What happened?", list(DIAGNOSES), index=None, key=f"diagnosis-{case}")
        if answer is None:
            st.caption(":material/science: Ask the three questions above, in their order.")
        elif found.level in DIAGNOSES[answer]:
            st.success("That is what the numbers say.", icon=":material/check_circle:")
            _verdict(found)
        else:
            st.error(
                "The numbers say something else. Begin with the first question.", icon=":material/replay:"
            )


def _numbers(story: Story, case: str) -> None:
    st.dataframe(
        [
            {
                "Model": title,
                "ACC": percent(story.metrics[name].acc),
                "LFR": percent(story.metrics[name].lfr),
                "Without a trigger (floor)": percent(story.metrics[name].clean_flip_rate),
            }
            for name, title in (
                ("poisoned", "As downloaded"),
                ("fine_tuned", "Fine-tuned"),
                ("pruned", "Pruned"),
            )
            if name in story.metrics
        ],
        hide_index=True,
        alt="ACC, LFR and floor of each model",
    )
    left, right = wide(2, "case")
    with left.container(border=True, height="stretch"):
        st.plotly_chart(
            figures.pruning_curve(story.steps), key=f"{case}-curve", alt="ACC and LFR by heads pruned"
        )
    with right.container(border=True, height="stretch"):
        st.plotly_chart(
            figures.head_grid(story.scores, story.steps), key=f"{case}-grid", alt="Heads, pruned ones crossed"
        )


def _verdict(found: Verdict) -> None:
    st.markdown(plain(found.headline))
    for sign in found.signs:
        st.warning(f"**{plain(sign.title)}**: {plain(sign.shows)}. {plain(sign.tries)}")
