"""A field for a file of rows that a user uploads or names."""

from pathlib import Path

import streamlit as st

from backend.data import tables
from backend.library.remembered import keep_upload, remembered, shown_name, uploaded_rows

KINDS = [suffix.removeprefix(".") for suffix in tables.KINDS]


def file_field(label: str, key: str, help_text: str | None = None, value: str = "") -> str:
    """The path of a file: just uploaded, uploaded earlier, or typed; empty if there is none."""
    uploaded = st.file_uploader(label, KINDS, key=f"{key}-upload", help=help_text)
    fresh = keep_upload(uploaded.name, uploaded.getvalue()) if uploaded is not None else None
    if fresh is not None:
        return str(fresh)
    known = [str(path) for path in [*uploaded_rows(), *remembered().data]]
    options = known if not value or value in known else [value, *known]
    chosen = st.selectbox(
        f"{label}: uploaded earlier, or a path on this machine",
        options,
        index=options.index(value) if value else None,
        format_func=lambda path: shown_name(Path(path)),
        key=f"{key}-path",
        accept_new_options=True,
        placeholder="Choose, or type a path and press Enter",
        label_visibility="collapsed",
    )
    return (chosen or "").strip()
