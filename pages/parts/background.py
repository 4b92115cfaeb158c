"""What goes on beside the pages: one thread that sees to it that waiting runs have a worker."""

import threading

import streamlit as st

from backend.runs.worker import supervise


@st.cache_resource
def supervisor() -> threading.Thread:
    """One thread for all tabs, as long as the server lives."""
    thread = threading.Thread(target=supervise, args=(threading.Event(),), name="supervise", daemon=True)
    thread.start()
    return thread
