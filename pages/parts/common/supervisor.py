"""What goes on beside the pages, for all tabs, as long as the server lives."""

import threading

import streamlit as st

from backend.analysis.head_effects_queue import Measuring
from backend.runs.worker import supervise


@st.cache_resource
def supervisor() -> threading.Thread:
    """One thread that sees to it that waiting runs have a worker."""
    thread = threading.Thread(target=supervise, args=(threading.Event(),), name="supervise", daemon=True)
    thread.start()
    return thread


@st.cache_resource
def measuring() -> Measuring:
    """Who measures the heads of runs."""
    return Measuring()
