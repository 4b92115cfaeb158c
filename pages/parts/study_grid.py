"""A study's runs as a grid of states: victims and seeds down, defenses across."""

from typing import Any

import streamlit as st

from backend.report.numbers import count
from backend.runs.store import Store
from backend.studies import figures, results
from backend.studies.paired import comparisons, difference_text, p_text
from backend.studies.records import StudyRecord
from backend.studies.results import REFERENCE
from backend.studies.spec import Place
from pages.parts.ui import open_run, plain, state_badge, told

WORDS = {
    "done": "done",
    "running": "running",
    "queued": "queued",
    "failed": "failed",
    "cancelled": "cancelled",
    "waiting": "without a run",
}


def state_grid(record: StudyRecord) -> None:
    """The grid; a click on a square, or a choice below it, leads to its run."""
    states = record.states()
    done, total = states.get("done", 0), sum(states.values())
    said = " · ".join(f"{states[state]} {word}" for state, word in WORDS.items() if states.get(state))
    st.progress(done / total, text=f"{done} of {count(total, 'run')} done: {said}")
    picked = st.plotly_chart(
        figures.study_states(record),
        key=f"grid-{record.id}",
        on_select="rerun",
        selection_mode="points",
        alt="State of every run of the study",
    )
    points = picked["selection"]["points"] if picked else []
    clicked = points[0]["customdata"][:3] if points else None
    _one_run(record, (clicked[0], clicked[1], int(clicked[2])) if clicked else None)


def _one_run(record: StudyRecord, clicked: Place | None) -> None:
    """A run of the grid and a way to it: the one that was clicked, or chosen by name."""
    places = record.places
    chosen = st.selectbox(
        "One run",
        places,
        places.index(clicked) if clicked in places else None,
        format_func=lambda place: f"{place[0]} · {place[1]}, seed {place[2]}",
        placeholder="Click a square, or choose here",
        key=f"cell-{record.id}-{clicked}",
    )
    if chosen is None:
        return
    run = record.runs.get(chosen)
    with st.container(horizontal=True, vertical_alignment="center"), told():
        if run is None:
            st.caption("There is no run yet.")
            return
        state_badge(run.state)
        if st.button("Open the run", icon=":material/open_in_new:", key="open-cell"):
            open_run(run)


def one_of(label: str, names: list[Any], key: str) -> Any:
    """One of several names, without a widget where there is nothing to choose."""
    return names[0] if len(names) == 1 else st.selectbox(label, names, key=key)


def beside(record: StudyRecord, victim: str) -> None:
    """How much each defense of the victim differs from one of them, row by row."""
    others = [
        name for name in record.study.defenses if record.study.defenses[name].get("baseline") != REFERENCE
    ]
    against = st.selectbox(
        "Compare each with",
        others,
        None,
        key=f"against-{record.id}",
        placeholder="A defense, to test differences on the same rows",
    )
    if against is None:
        return
    found = comparisons(record, victim, against)
    if not found:
        st.caption("There is nothing to compare: it takes two defenses of this victim that are done.")
        return
    st.dataframe(
        [
            {"Defense": one.defense}
            | {f"{name}, points": difference_text(gap) for name, gap in (("ACC", one.acc), ("LFR", one.lfr))}
            | {f"p, {name}": p_text(gap) for name, gap in (("ACC", one.acc), ("LFR", one.lfr))}
            for one in found
        ],
        hide_index=True,
        alt=f"Differences from {against}",
    )
    st.caption(
        f"Each defense minus {plain(against)}, in percentage points, mean over the seeds that both have done "
        "with the 95 % interval of a paired bootstrap over seeds and rows. p is that of McNemar's exact test "
        "on the same rows, the largest of the seeds; it is not corrected for looking at many defenses."
    )


def heads_gone(runs: Store, record: StudyRecord, victim: str) -> None:
    """Which heads each defense of the victim pruned, side by side, for one seed."""
    if not st.toggle("Compare the heads that went", key=f"heads-{record.id}"):
        return
    seed = one_of("Seed", list(dict.fromkeys(record.study.seeds)), f"heads-seed-{record.id}")
    found = results.heads_of(runs, record, victim, seed)
    if not found:
        st.caption("No defense of this victim has pruned a head yet.")
        return
    figure = figures.pruned_heads(found)
    st.plotly_chart(figure, key=f"heads-figure-{record.id}", alt="Pruned heads by defense")
