"""Heads: which heads each strategy finds important, and what each head does."""

from typing import Literal

import streamlit as st

from backend.analysis.head_effects import Measure
from backend.analysis.run_models import scored_model
from backend.base.events import Head, HeadScores
from backend.findings.gather import Findings, gather
from backend.report import agreement
from backend.runs.progress import RunProgress
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.address import keep, one_of
from pages.parts.common.ui import page_of, show_errors, state_badge, store, wide
from pages.parts.heads.effects import (
    against_place,
    choose_effect,
    effect_grid,
    head_effect,
    in_words,
    measuring_panel,
)
from pages.parts.heads.head_attention import attended
from pages.parts.heads.importance import (
    agreements,
    choose_strategies,
    importance_grid,
    layers,
    scores_by,
    title_of,
    would_prune,
)
from pages.parts.heads.select import chosen_head, head_boxes
from pages.parts.runs.monitor import session_progress
from pages.parts.runs.run_select import choose_run

# The strategy whose scores of a checked model are shown first.
USUAL = "gradient"
View = Literal["place", "agreement", "layers"]
VIEWS: dict[View, str] = {
    "place": "Effect against rank",
    "agreement": "Agreement of strategies",
    "layers": "Layers",
}


def look(runs: Store) -> None:
    record = choose_run(runs, scored=True)
    if record is None:
        return
    findings = gather(runs, record, session_progress(runs, record))
    progress = findings.progress
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(record.state)
        st.page_link(
            page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
        )
    spec = record.spec
    if (
        spec is None
        or scored_model(spec) not in findings.models_left
        or not (progress.scores or spec.only_checks)
    ):
        st.caption(
            "This run has no scored heads: it has not reached scoring yet, it does not score heads, or its "
            "models were deleted."
        )
        return
    own = progress.scores or scores_by(record, USUAL)
    if spec.only_checks:
        st.caption(
            f"A check prunes nothing: these are the heads of the model as it was received, scored here by "
            f"{title_of(own)}. Clean the model to see what pruning them does."
        )
    gone = findings.pruned_heads
    chosen = chosen_head(own.layers, own.heads) or (gone[0] if gone else (0, 0))
    st.subheader("Importance and effect", anchor=False)
    shown, measure = grids(findings, own, gone, chosen)
    st.subheader("One head", anchor=False)
    with st.container(border=True):
        one_head(record, shown, progress, gone, chosen)
    st.subheader("All heads together", anchor=False)
    closer(findings, shown, gone, measure)


def grids(
    findings: Findings, own: HeadScores, gone: list[Head], chosen: Head
) -> tuple[list[HeadScores], Measure]:
    """The run's own importance beside what the heads do, and other strategies below; returns all scores
    shown, and the measure of the effect that is drawn."""
    record, progress, effects = findings.record, findings.progress, findings.effects
    measure: Measure = "acc"
    left, right = wide(2, "own")
    with left:
        others = choose_strategies(record, own)
        with st.container(border=True, height="stretch"):
            importance_grid(record, progress, own, chosen)
            if progress.steps:
                st.caption("Crosses: pruned by this run. Rings: tried, then restored.")
    with right:
        if effects is not None:
            kind, measure = choose_effect(record, effects)
        with st.container(border=True, height="stretch"):
            measuring_panel(record, own, gone, effects)
            if effects is not None:
                effect_grid(record, own, effects, gone, chosen, kind, measure)
    if effects is not None:
        st.markdown(f"{title_of(own)}: {in_words(own, effects, measure)}")
    for start in range(0, len(others), 2):
        row = others[start : start + 2]
        for column, scores in zip(wide(len(row), f"others-{start}"), row, strict=True):
            with column.container(border=True, height="stretch"):
                importance_grid(record, progress, scores, chosen)
                if gone:
                    st.caption(would_prune(scores, gone))
                if effects is not None:
                    st.caption(in_words(scores, effects, measure))
    st.caption("Click a head in any grid to open it below.")
    return [own, *others], measure


def closer(findings: Findings, shown: list[HeadScores], gone: list[Head], measure: Measure) -> None:
    """One of the views of all heads together; kept in the address."""
    record, effects = findings.record, findings.effects
    views: list[View] = [view for view in VIEWS if view != "place" or effects is not None]
    usual: View = "place" if effects is not None else "layers"
    view = st.segmented_control(
        "View",
        views,
        format_func=VIEWS.__getitem__,
        default=one_of("view", views, usual),
        required=True,
        key=f"view-{record.id}-{len(views)}",
    )
    keep("view", view if view != usual else None)
    if view == "agreement":
        agreements(record, shown, len(gone))
    elif view == "layers" or effects is None:
        layers(shown[0], findings.progress, gone)
    else:
        with st.container(border=True):
            against_place(record, shown[0], effects, gone, measure)


def one_head(
    record: RunRecord, shown: list[HeadScores], progress: RunProgress, gone: list[Head], chosen: Head
) -> None:
    """One head: its ranks, and what it does."""
    own = shown[0]
    columns = st.columns([1, 1, 4], vertical_alignment="bottom")
    head_boxes(columns, (own.layers, own.heads), chosen, f"heads-{record.id}")
    layer, head = chosen
    state = "pruned" if chosen in gone else "kept"
    if state == "kept" and chosen in progress.restored:
        state = "tried, then restored by the guardrail"
    if progress.steps:
        columns[2].markdown(f"Layer {layer}, head {head}: **{state}** in this run")
    place = {
        scores.strategy: agreement.prune_ranks(scores).reshape(own.layers, own.heads) for scores in shown
    }
    st.dataframe(
        [
            {
                "Strategy": title_of(scores),
                "Importance": scores.scores[layer][head],
                "Rank": f"{place[scores.strategy][layer, head] + 1:.0f} of {own.layers * own.heads}",
            }
            for scores in shown
        ],
        hide_index=True,
        alt="Ranks of the head",
    )
    head_effect(record, gone, chosen)
    attended(record, chosen)


st.title("Heads", anchor=False)
st.caption(
    "Which heads each strategy would prune, which were pruned, and how each head changes accuracy (ACC) and "
    "the label flip rate (LFR, also called attack success rate, ASR)."
)
with show_errors():
    look(store())
