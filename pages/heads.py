"""Heads: which of them matter, by whose word, and what each of them does."""

import streamlit as st

from backend.events import Head, HeadScores
from backend.inspection.effects import name_of, read_effects
from backend.inspection.material import models_left
from backend.report import agreement
from backend.report.story import Story
from backend.runs.export import pruned_heads
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.attended import attended
from pages.parts.choosing import choose_run
from pages.parts.head_effects import effect_lines, effects_of
from pages.parts.head_importance import agreements, chosen_head, importances, layers, title_of
from pages.parts.monitor import story_of
from pages.parts.ui import enter, page_of, state_badge, store, told


def one_head(record: RunRecord, shown: list[HeadScores], story: Story, gone: list[Head]) -> None:
    """One head: its ranks, and what it does."""
    own = shown[0]
    chosen = chosen_head(own) or (tuple(gone[0]) if gone else (0, 0))
    columns = st.columns([1, 1, 4], vertical_alignment="bottom")
    for column, name, size, value in zip(
        columns, ("layer", "head"), (own.layers, own.heads), chosen, strict=False
    ):
        picked = column.selectbox(name.capitalize(), range(size), value, key=f"{name}-{record.id}-{value}")
        if picked != value:
            st.query_params["layer"], st.query_params["head"] = map(str, chosen)
            st.query_params[name] = str(picked)
            st.rerun()
    layer, head = chosen
    state = "pruned" if list(chosen) in [list(one) for one in gone] else "kept"
    if state == "kept" and chosen in story.restored:
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
    found = read_effects(record.id)
    if found is not None:
        effect_lines(found, name_of(chosen))
    attended(record, chosen)


def look(runs: Store) -> None:
    record = choose_run(runs, "fine_tuned")
    if record is None:
        return
    story = story_of(runs, record)
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(record.state)
        st.page_link(
            page_of(record), label="The run", icon=":material/open_in_full:", query_params={"run": record.id}
        )
    if record.spec is None or story.scores is None or "fine_tuned" not in models_left(record.id):
        st.caption(
            "This run has no scored heads (yet): its defense has not come so far, or its models are gone."
        )
        return
    gone = [(layer, head) for layer, head in pruned_heads(record, story.steps)]
    st.subheader("Importance", anchor=False)
    shown = importances(record, story, gone)
    views = ["What each head does", "Agreement of strategies", "Layers"]
    view = st.segmented_control("View", views, default=views[0], required=True, key=f"view-{record.id}")
    if view == views[0]:
        effects_of(record, story.scores, gone)
    elif view == views[1]:
        agreements(record, shown, len(gone))
    else:
        layers(story.scores, story, gone)
    st.subheader("One head", anchor=False)
    with st.container(border=True):
        one_head(record, shown, story, gone)


enter()
st.title("Heads", anchor=False)
st.caption("Which heads each strategy would prune, which ones went, and what they did.")
with told():
    look(store())
