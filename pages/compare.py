"""Compare: several runs together, by their numbers, their curves and their heads."""

import streamlit as st

from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import plain, show_errors, store
from pages.parts.runs.comparison import compared, heads, numbers, on_the_same_rows, overlaid
from pages.parts.runs.run_filters import narrowed

VIEWS = ("Numbers", "Curves", "Heads", "Same rows")
CANDIDATES = 300
MOST = 24
FIRST = 6


def show(runs: Store) -> None:
    chosen = choose(runs)
    if not chosen:
        return
    records = narrowed(chosen)
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params"
    )
    if len(records) < len(chosen):
        st.caption(f":material/filter_alt: {len(records)} of {len(chosen)} runs pass the filters.")
    if not records:
        return
    summaries, curves = compared(runs, records)
    if view == "Numbers":
        numbers(summaries)
    elif view == "Curves":
        overlaid(curves)
    elif view == "Heads":
        heads(summaries)
    else:
        on_the_same_rows(records, summaries)


def choose(runs: Store) -> list[RunRecord]:
    """The runs in the address, or those chosen among the runs with results."""
    by_id = {record.id: record for record in runs.runs(CANDIDATES) if record.final_metrics is not None}
    given = st.query_params.get("runs")
    asked = [part for part in (given or "").split(",") if part]
    for run in asked:
        with show_errors():
            record = by_id.get(run) or runs.run(run)
            if record.final_metrics is None:
                st.caption(f":material/info: Run {plain(record.id)} has no results yet: left out.")
            else:
                by_id[record.id] = record
    if not by_id:
        st.caption("Nothing to compare: no run has results yet. Start the demo, then come back.")
        st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
        return []
    titles = {record.id: f"{record.name} · {record.id}" for record in by_id.values()}
    chosen = st.multiselect(
        "Runs",
        list(by_id),
        list(by_id)[:FIRST] if given is None else [run for run in asked if run in by_id],
        format_func=titles.__getitem__,
        max_selections=MOST,
        key=f"compare-{hash(tuple(by_id))}",
        placeholder="Choose runs",
    )
    st.query_params["runs"] = ",".join(chosen)
    return [by_id[run] for run in chosen]


st.title("Compare", anchor=False)
st.caption(
    "Compare runs: accuracy (ACC), how often the trigger still works (LFR, the label flip rate, also called "
    "attack success rate, ASR), and which heads were pruned."
)
with show_errors():
    show(store())
