"""Heads: which of them matter, by whose word, and what each of them does."""

from typing import Literal

import streamlit as st

from backend.analysis.head_effects import Measure
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
    title_of,
    would_prune,
)
from pages.parts.heads.select import chosen_head, head_boxes
from pages.parts.runs.monitor import story_of
from pages.parts.runs.run_select import choose_run

View = Literal["place", "agreement", "layers"]
VIEWS: dict[View, str] = {
    "place": "Effect against place in line",
    "agreement": "Agreement of strategies",
    "layers": "Layers",
}


def look(runs: Store) -> None:
    record = choose_run(runs, "fine_tuned")
    if record is None:
        return
    findings = gather(runs, record, story_of(runs, record))
    progress = findings.progress
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(record.state)
        st.page_link(
            page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
        )
    if record.spec is None or progress.scores is None or "fine_tuned" not in findings.models_left:
        st.caption(
            "This run has no scored heads (yet): its defense has not come so far, or its models are gone."
        )
        return
    gone = findings.pruned_heads
    own = progress.scores
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
    """The run's own importance beside what the heads do, and other strategies below; gives back all scores
    shown, and the measure that the effect is drawn in."""
    record, progress, found = findings.record, findings.progress, findings.effects
    measure: Measure = "acc"
    left, right = wide(2, "own")
    with left:
        others = choose_strategies(record, own)
        with st.container(border=True, height="stretch"):
            importance_grid(record, progress, own, chosen)
            st.caption("Crosses and rings: pruned by this run, and tried and restored.")
    with right:
        if found is not None:
            kind, measure = choose_effect(record, found)
        with st.container(border=True, height="stretch"):
            measuring_panel(record, own, gone, found)
            if found is not None:
                effect_grid(record, own, found, gone, chosen, kind, measure)
    if found is not None:
        st.markdown(f"{title_of(own)}: {in_words(own, found, measure)}")
    for start in range(0, len(others), 2):
        row = others[start : start + 2]
        for column, scores in zip(wide(len(row), f"others-{start}"), row, strict=True):
            with column.container(border=True, height="stretch"):
                importance_grid(record, progress, scores, chosen)
                st.caption(would_prune(scores, gone))
                if found is not None:
                    st.caption(in_words(scores, found, measure))
    st.caption("Click a head in any grid to open it below.")
    return [own, *others], measure


def closer(findings: Findings, shown: list[HeadScores], gone: list[Head], measure: Measure) -> None:
    """One of the views of all heads together; kept in the address."""
    record, found = findings.record, findings.effects
    views: list[View] = [view for view in VIEWS if view != "place" or found is not None]
    usual: View = "place" if found is not None else "layers"
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
    elif view == "layers" or found is None:
        layers(shown[0], findings.progress, gone)
    else:
        with st.container(border=True):
            against_place(record, shown[0], found, gone, measure)


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
        state = "tried and given back by the guardrail"
    columns[2].markdown(f"Layer {layer}, head {head}: **{state}** in this run")
    place = {scores.strategy: agreement.places(scores).reshape(own.layers, own.heads) for scores in shown}
    st.dataframe(
        [
            {
                "Strategy": title_of(scores),
                "Importance": scores.scores[layer][head],
                "Place in line": f"{place[scores.strategy][layer, head] + 1:.0f} of {own.layers * own.heads}",
            }
            for scores in shown
        ],
        hide_index=True,
        alt="Ranks of the head",
    )
    head_effect(record, gone, chosen)
    attended(record, chosen)


st.title("Heads", anchor=False)
st.caption("Which heads each strategy would prune, which ones went, and what they did.")
with show_errors():
    look(store())
