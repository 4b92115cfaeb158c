"""Importance of heads by several strategies, and how well they agree."""

from collections.abc import Sequence

import streamlit as st

from backend import strategies
from backend.analysis.importance import TRAIN_ROWS, VALIDATION_ROWS, read_scores, score
from backend.analysis.run_models import scored_model
from backend.base.events import Head, HeadScores
from backend.base.events import title_of as title_of_model
from backend.base.numbers import count
from backend.report import agreement
from backend.report.figures import heads as head_figures
from backend.report.figures import run as figures
from backend.runs.progress import RunProgress
from backend.runs.records import RunRecord
from backend.spec.run import RunSpec
from pages.parts.common.address import keep, some_of
from pages.parts.common.ask import ask
from pages.parts.common.ui import show_errors, wide
from pages.parts.heads.select import grid_of_heads

SCORED_BY_ALL = [name for name, one in strategies.COMPONENTS.items() if one.own_order]


def title_of(scores: HeadScores) -> str:
    """Of the strategy that gave the scores."""
    component = strategies.COMPONENTS.get(scores.strategy)
    return component.title if component else scores.strategy


def choose_strategies(record: RunRecord, own: HeadScores) -> list[HeadScores]:
    """Scores by other strategies than the run's own; kept in the address."""
    assert record.spec is not None
    others = [name for name in SCORED_BY_ALL if name != own.strategy]
    kept = [name for name in others if read_scores(record.id, name) is not None]
    wanted = st.multiselect(
        "Compare with " + ("other strategies" if record.spec.only_checks else "this run's own strategy"),
        others,
        some_of("strategies", others, kept[:1]),
        format_func=lambda name: strategies.COMPONENTS[name].title,
        key=f"strategies-{record.id}",
        placeholder="Other strategies, to see what they would prune",
        help=f"Scored with their defaults on this run's {scored_words(record.spec)}, on {TRAIN_ROWS} "
        f"training and {VALIDATION_ROWS} validation rows: a few seconds each, a minute for strategies that "
        "search.",
    )
    keep("strategies", ",".join(wanted) if wanted != kept[:1] else None)
    scores = []
    for name in wanted:
        with show_errors():
            scores.append(scores_by(record, name))
    return scores


def scored_words(spec: RunSpec) -> str:
    """The model whose heads are scored and switched off."""
    return f"{title_of_model(scored_model(spec)).lower()} model"


def scores_by(record: RunRecord, strategy: str) -> HeadScores:
    """By that strategy, computed when they are first asked for.  Raises UserError."""
    assert record.spec is not None
    kept = read_scores(record.id, strategy)
    doing = f"Scoring heads by {strategies.COMPONENTS[strategy].title}"
    scores: HeadScores = kept or ask(doing, score, record.id, record.spec, strategy)
    return scores


def importance_grid(record: RunRecord, progress: RunProgress, scores: HeadScores, chosen: Head) -> None:
    """A click opens the head; the open head has a frame."""
    title = title_of(scores)
    figure = figures.head_grid(scores, progress.steps).update_layout(title={"text": f"Importance: {title}"})
    head_figures.frame(figure, (scores.layers, scores.heads), chosen)
    grid_of_heads(figure, f"importance-{record.id}-{scores.strategy}", f"Heads by {title}")


def would_prune(scores: HeadScores, gone: Sequence[Head]) -> str:
    """How many of the heads that the run pruned another strategy would prune first."""
    first = {tuple(head) for head in scores.order[: len(gone)]}
    common = len(first & {tuple(head) for head in gone})
    return f"Of the {count(len(gone), 'head')} that this run pruned, it would prune {common}."


def agreements(record: RunRecord, shown: list[HeadScores], pruned: int) -> None:
    """How well the strategies shown agree."""
    if len(shown) < 2:
        st.caption("Choose another strategy above to see how well they agree.")
        return
    names = [title_of(scores) for scores in shown]
    left, right = wide(2, "agreement")
    with left.container(border=True, height="stretch"):
        st.plotly_chart(
            head_figures.pair_grid(
                agreement.rank_correlations(shown),
                names,
                "Rank correlation of the orders",
                "Spearman's ρ",
                -1,
            ),
            key=f"rho-{record.id}",
            alt="Rank correlation of every pair of strategies",
        )
        st.caption("Spearman's ρ over all heads: 1 is the same order, 0 no relation, −1 the reverse order.")
    with right.container(border=True, height="stretch"):
        most = min(len(scores.order) for scores in shown)
        first = st.slider(
            "Number of heads pruned first", 1, most, min(max(pruned, 1), most), key=f"first-{record.id}"
        )
        st.plotly_chart(
            head_figures.pair_grid(
                agreement.overlaps(shown, first),
                names,
                f"Heads in common among the first {first} pruned",
                "Share in common",
                0,
            ),
            key=f"overlap-{record.id}",
            alt="Overlap of the first heads of every pair of strategies",
        )
        by_chance = first / (shown[0].layers * shown[0].heads)
        st.caption(f"Two random orders would have {by_chance:.2f} in common.")


def layers(scores: HeadScores, progress: RunProgress, gone: list[Head]) -> None:
    """Every layer in numbers."""
    st.dataframe(
        agreement.by_layer(scores, gone, progress.restored),
        hide_index=True,
        column_config={
            "Mean importance": st.column_config.NumberColumn(format="%.3g"),
            "Mean rank": st.column_config.NumberColumn(format="%.1f", help="1 is pruned first."),
        },
        alt="Heads by layer",
    )
