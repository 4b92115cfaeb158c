"""Files are read by processes of their own; they end when their page is drawn anew, left or closed."""

import streamlit as st

from backend.data.reading.elsewhere import read_elsewhere


def read_files_elsewhere() -> None:
    """From now on this process parses no file of rows itself."""
    # Streamlit ends a script that nobody waits for any more when it looks at the session's state.
    read_elsewhere(lambda: "waiting" in st.session_state)
