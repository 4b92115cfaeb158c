"""A study's runs as a grid of states: victims and seeds down, defenses across."""

from typing import Any

import streamlit as st

from backend.attacks.preview import rewritten
from backend.base.numbers import count, percent
from backend.report.figures import studies as figures
from backend.runs.store import Store
from backend.studies import results, store
from backend.studies.preflight import check_cells
from backend.studies.significance import Comparison, comparisons
from backend.studies.spec import Place
from backend.studies.store import StudyRecord
from pages.parts.common.ui import open_run, plain, show_errors, small
from pages.parts.runs.actions import start_worker

SHOWN = 6
WORDS = {
    "done": "done",
    "running": "running",
    "queued": "queued",
    "failed": "failed",
    "cancelled": "cancelled",
    "waiting": "not started",
}


def queue(runs: Store, record: StudyRecord, part: store.Part = store.WHOLE) -> None:
    """Check and queue the unfinished runs of that part of the study; warnings are shown for a while.  Raises
    UserError."""
    with st.spinner("Checking models, data and triggers…"):
        wanted = store.wanted_cells(runs, record, part)
        warnings = check_cells(wanted, rewritten)
    for warning in warnings:
        st.toast(plain(warning), icon=":material/warning:", duration="long")
    store.queue(runs, record, wanted)
    start_worker(runs)


def state_grid(runs: Store, record: StudyRecord) -> None:
    """The grid, and the runs that are chosen in it or by name."""
    states = record.states()
    done, total = states.get("done", 0), sum(states.values())
    counts = " · ".join(f"{states[state]} {word}" for state, word in WORDS.items() if states.get(state))
    st.progress(done / total, text=f"{done} of {count(total, 'run')} done: {counts}")
    chart, names = f"grid-{record.id}", f"chosen-{record.id}"

    def take_over() -> None:
        points = [point["customdata"] for point in st.session_state[chart]["selection"]["points"]]
        st.session_state[names] = [(victim, defense, int(seed)) for victim, defense, seed in points]

    st.plotly_chart(
        figures.study_states(record),
        key=chart,
        on_select=take_over,
        selection_mode=("points", "box"),
        alt="State of every run of the study",
    )
    _chosen(runs, record, names)


def _chosen(runs: Store, record: StudyRecord, key: str) -> None:
    """Runs by name, the state of each, and a button that runs them again."""
    failed = [place for place, run in record.runs.items() if run.state == "failed"]

    def choose_failed() -> None:
        st.session_state[key] = failed

    with st.container(horizontal=True, vertical_alignment="bottom"):
        places = st.multiselect(
            "Runs",
            record.places,
            format_func=_title,  # without the state: a choice is known by its label, which has to last
            key=key,
            placeholder="Click squares above, draw a box around them, or choose by name",
        )
        if failed:
            st.button("Choose all that failed", key=f"failed-{key}", on_click=choose_failed)
    for place in places[:SHOWN]:
        _run(record, place)
    if len(places) > SHOWN:
        st.caption(f"And {count(len(places) - SHOWN, 'other run')}.")
    idle = [place for place in places if (run := record.runs.get(place)) is None or run.over]
    if not idle:
        return
    hint = "Failed and cancelled runs resume after their last finished stage; done ones repeat their defense."
    label = f"Run {count(len(idle), 'run')} again" if any(map(record.runs.get, idle)) else "Start"
    if st.button(label, icon=":material/replay:", key=f"again-{key}", help=hint):
        with show_errors():
            queue(runs, record, store.Part(idle, again=True))
            st.rerun(scope="app")


def _title(place: Place) -> str:
    victim, defense, seed = place
    return f"{victim} · {defense}, seed {seed}"


def _run(record: StudyRecord, place: Place) -> None:
    """One run's state, numbers or reason, and a way to it."""
    run = record.runs.get(place)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(plain(f"{_title(place)}: {WORDS[record.state(place)]}"))
        if run is None:
            return
        if metrics := results.result(run):
            st.caption(f"ACC {percent(metrics.acc)}, LFR {percent(metrics.lfr)}")
        if said := results.reason(run):
            st.markdown(f":material/error: {plain(said)}")
        if st.button("Open the run", icon=":material/open_in_new:", key=f"open-{run.id}"):
            open_run(run)


def choose_one(label: str, names: list[Any], key: str) -> Any:
    """One of several names, without a widget where there is nothing to choose."""
    return names[0] if len(names) == 1 else st.selectbox(label, names, key=key)


def beside(record: StudyRecord, victim: str) -> None:
    """How much each of the victim's defenses differs from one of them, row by row."""
    others = [name for name in record.study.defenses if name not in results.references(record)]
    against = st.selectbox(
        "Compare each with",
        others,
        None,
        key=f"against-{record.id}",
        placeholder="A defense, to test differences on the same rows",
    )
    if against is None:
        return
    done = tuple(run.id for run in record.runs.values() if run.state == "done")
    compared = _compared(record, record.id, victim, against, done)
    if not compared:
        st.caption("Nothing to compare: this victim needs two finished defenses.")
        return
    st.dataframe(
        [{"Defense": one.defense, "Seeds": one.seeds} | one.columns for one in compared],
        hide_index=True,
        alt=f"Differences from {against}",
    )
    st.caption(
        f"Each defense minus {plain(against)}, in percentage points: mean over the seeds that both have "
        "finished, with its 95 % interval (with one seed, it covers only the rows). p: McNemar's exact test "
        "on the same rows, the largest of the seeds, not corrected for multiple comparisons."
    )


@st.cache_data(max_entries=20, show_spinner=False)
def _compared(
    _record: StudyRecord, study: str, victim: str, against: str, done: tuple[str, ...]
) -> list[Comparison]:
    """Cached for the set of finished runs: the page is drawn often while others are running."""
    return comparisons(_record, victim, against)


def heads_gone(runs: Store, record: StudyRecord, victim: str) -> None:
    """Which heads each defense of the victim pruned, side by side, for one seed."""
    if not st.toggle("Compare the pruned heads", record.over, key=f"heads-{record.id}-{record.over}"):
        return
    seed = choose_one("Seed", list(dict.fromkeys(record.study.seeds)), f"heads-seed-{record.id}")
    pruned = results.heads_of(runs, record, victim, seed)
    if not pruned:
        st.caption("No defense of this victim has pruned a head yet.")
        return
    st.caption("A darker head was pruned earlier; its number is its rank. Layers go upwards from 0.")
    for start in range(0, len(pruned), 3):
        columns = small(3, f"heads-{start}")
        for column, one in zip(columns, pruned[start : start + 3], strict=False):
            with column:
                st.markdown(f"**{plain(one.defense)}**: {results.in_words(one)}")
                key = f"heads-{record.id}-{victim}-{seed}-{one.defense}"
                st.plotly_chart(figures.pruned_heads(one), key=key, alt=f"Heads pruned by {one.defense}")
    for said in results.remarks(pruned):
        st.caption(f":material/info: {plain(said)}")
