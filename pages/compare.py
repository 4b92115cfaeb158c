"""Compare: any runs together, by their numbers, their curves and their heads."""

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
    found, curves = compared(runs, records)
    if view == "Numbers":
        numbers(found)
    elif view == "Curves":
        overlaid(curves)
    elif view == "Heads":
        heads(found)
    else:
        on_the_same_rows(records, found)


def choose(runs: Store) -> list[RunRecord]:
    """The runs in the address, or those chosen from the measured ones."""
    known = {one.id: one for one in runs.runs(CANDIDATES) if one.final_metrics is not None}
    given = st.query_params.get("runs")
    asked = [part for part in (given or "").split(",") if part]
    for one in asked:
        with show_errors():
            record = known.get(one) or runs.run(one)
            if record.final_metrics is None:
                st.caption(f":material/info: Run {plain(record.id)} has measured nothing (yet): left out.")
            else:
                known[record.id] = record
    if not known:
        st.caption("Nothing to compare: no run has measured a model yet. Start the demo and come back.")
        st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
        return []
    titles = {one.id: f"{one.name} · {one.id}" for one in known.values()}
    chosen = st.multiselect(
        "Runs",
        list(known),
        list(known)[:FIRST] if given is None else [one for one in asked if one in known],
        format_func=titles.__getitem__,
        max_selections=MOST,
        key=f"compare-{hash(tuple(known))}",
        placeholder="Choose runs",
    )
    st.query_params["runs"] = ",".join(chosen)
    return [known[one] for one in chosen]


st.title("Compare", anchor=False)
st.caption("Any runs together: what each paid in accuracy, which flips it left, and which heads it took.")
with show_errors():
    show(store())
