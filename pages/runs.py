"""Runs: all runs in a table, and the chosen one in full below it."""

import streamlit as st

from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import open_run, page_of, show_errors, store
from pages.parts.runs.actions import again_button, delete_button, resume_button
from pages.parts.runs.monitor import monitor
from pages.parts.runs.run_table import table
from pages.parts.runs.submit import ready_made, show

SHOWN = 500
REFRESH_SECONDS = 3


def list_runs(runs: Store) -> None:
    """The table; a click on a row puts that run into the address."""
    with show_errors():
        records = runs.runs(limit=SHOWN)
        if len(records) == SHOWN:
            st.caption(f"The newest {SHOWN} are shown. `python -m backend runs --limit N` lists older ones.")
        picked = table(
            runs, records, f"runs-{hash(tuple(record.id for record in records))}", st.query_params.get("run")
        )
        if picked is not None and picked.id != st.query_params.get("run"):
            st.query_params["run"] = picked.id
            st.query_params.pop("step", None)  # of the other run's replay
            st.rerun()


def chosen_run(runs: Store, run: str) -> None:
    with show_errors():
        record = runs.run(run)
        actions(runs, record)
        with st.container(border=True):
            monitor(runs, record.id)


def actions(runs: Store, record: RunRecord) -> None:
    with st.container(horizontal=True):
        if st.button("Open on its own page", icon=":material/open_in_full:", key="open"):
            open_run(record)
        if st.button("Change settings", icon=":material/tune:", key="change", disabled=record.spec is None):
            st.switch_page(page_of(record), query_params={"like": record.id})
        resume_button(runs, record, "resume")
        again = again_button(runs, record, "again")
        if again is not None:
            show([again])
        delete_button(runs, record, "delete")


st.title("Runs", anchor=False)
runs = store()
with show_errors():
    if not runs.runs(limit=1):
        st.caption(
            "There are no runs yet. Start a ready-made one, or set up your own on the Check, Attack or "
            "Defend page."
        )
        ready_made(runs, "none")
        st.stop()
    unfinished = runs.runs(limit=1, states=["queued", "running"])
    st.caption(
        "Choose a row to see the run below. ACC (accuracy) and LFR (label flip rate, also called attack "
        "success rate, ASR) are those of the last model that the run measured, with their 95 % intervals."
    )
    st.fragment(list_runs, run_every=REFRESH_SECONDS if unfinished else None)(runs)
    if st.query_params.get("run"):
        chosen_run(runs, st.query_params["run"])
