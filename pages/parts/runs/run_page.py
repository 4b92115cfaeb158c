"""A page's view of one run: its buttons, the runs started with it, and the run live."""

from collections.abc import Callable

import streamlit as st

from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import show_errors
from pages.parts.runs.actions import again_button, resume_button
from pages.parts.runs.monitor import monitor
from pages.parts.runs.submit import show, siblings


def follow(
    runs: Store, run: str, another: str, further: Callable[[RunRecord], None] = lambda record: None
) -> None:
    """The live run under a row of buttons; `another` is the label of the one that opens an empty form,
    and `further` adds a page's own buttons."""
    record = None
    with show_errors():
        record = runs.run(run)
    with st.container(horizontal=True):
        if st.button(another, icon=":material/add:", key="another"):
            st.query_params.clear()
            st.rerun()
        if record is None:  # it was deleted
            return
        if st.button("Change settings", icon=":material/tune:", key="change"):
            st.query_params.clear()
            st.query_params["like"] = record.id
            st.rerun()
        resume_button(runs, record, "resume")
        again = again_button(runs, record, "again")
        if again is not None:
            show([again])
        further(record)
    siblings(runs, run)
    monitor(runs, run)
