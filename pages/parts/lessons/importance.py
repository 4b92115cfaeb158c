"""Lesson 4: six estimates of the same heads."""

import streamlit as st

from backend import strategies
from backend.analysis.importance import read_scores, score
from backend.analysis.lessons import lesson, run_of
from backend.report import agreement
from backend.report.figures import heads as head_figures
from backend.report.figures import run as figures
from backend.studies.built_in import PAPER_STRATEGIES
from pages.parts.common.ask import ask
from pages.parts.common.ui import show_errors, wide
from pages.parts.lessons.trying import attempt, question

SIX = list(PAPER_STRATEGIES.values())
ENOUGH = 3


def title_of(name: str) -> str:
    return strategies.COMPONENTS[name].title


def show() -> None:
    spec = lesson()
    if attempt("plant and fine-tune", spec, "importance", "Planting, then fine-tuning") is None:
        return
    run = run_of(spec)
    scored = {name: scores for name in SIX if (scores := read_scores(run, name)) is not None}
    not_scored = [name for name in SIX if name not in scored]
    with st.container(horizontal=True):
        for name in not_scored:
            if st.button(
                f"Score by {title_of(name).lower()}", icon=":material/calculate:", key=f"score-{name}"
            ):
                with show_errors():
                    ask(f"Scoring by {title_of(name).lower()}", score, run, spec, name)
                    st.rerun()
    shown = list(scored.values())
    for start in range(0, len(shown), 2):
        for column, scores in zip(wide(2, f"six-{start}"), shown[start : start + 2], strict=False):
            with column.container(border=True, height="stretch"):
                title = title_of(scores.strategy)
                figure = figures.head_grid(scores, []).update_layout(title={"text": title}, height=300)
                st.plotly_chart(figure, key=f"six-{scores.strategy}", alt=f"Heads by {title}")
    correlations = agreement.rank_correlations(shown)
    if len(shown) > 1:
        names = [title_of(scores.strategy) for scores in shown]
        figure = head_figures.pair_grid(
            correlations, names, "How similar the orders are (rank correlation)", "Spearman's ρ", -1
        )
        st.plotly_chart(figure, key="six-pairs", alt="Rank correlation of every pair of estimates")
    others = [name for name in SIX if name != "gradient"]
    right = None
    if "gradient" in scored and len(scored) > ENOUGH:
        place = list(scored).index("gradient")
        alike = {
            name: correlations[place, number] for number, name in enumerate(scored) if name != "gradient"
        }
        right = others.index(max(alike, key=alike.__getitem__))
    question(
        "Which of the strategies that you tried orders the heads most like the gradient?",
        [title_of(name) for name in others],
        right,
        "Orders that measure the same thing agree; the others have little in common. So a head has no single "
        "importance. If one strategy fails, try one that measures something else.",
        f"Score by the gradient and by {ENOUGH} others.",
        "importance",
    )
