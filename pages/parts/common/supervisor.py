"""What runs in the background for all tabs, as long as the server runs."""

import threading

import streamlit as st

from backend.analysis.head_effects_queue import Measuring
from backend.runs.worker import supervise


@st.cache_resource
def supervisor() -> threading.Thread:
    """One thread that makes sure that waiting runs have a worker."""
    thread = threading.Thread(target=supervise, args=(threading.Event(),), name="supervise", daemon=True)
    thread.start()
    return thread


@st.cache_resource
def measuring() -> Measuring:
    """The queue that measures the heads of runs."""
    return Measuring()
