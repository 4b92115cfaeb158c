"""Small things that every page needs: messages for the user, safe text, where a run is shown."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend.base.errors import UserError
from backend.base.numbers import points
from backend.runs.records import RunRecord, State
from backend.runs.store import Store, open_store

Colour = Literal["red", "orange", "blue", "green", "gray"]
STATE_BADGES: dict[State, tuple[str, str, Colour]] = {
    "queued": ("Queued", ":material/schedule:", "gray"),
    "running": ("Running", ":material/progress_activity:", "blue"),
    "done": ("Done", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "cancelled": ("Cancelled", ":material/cancel:", "orange"),
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def change(before: float | None, after: float | None, color: str = "normal") -> dict[str, Any]:
    """How `st.metric` says by how much a share moved: in colour and with an arrow only where it did."""
    moved = points(before, after)
    stayed = moved == points(0, 0)
    return {
        "delta": moved,
        "delta_color": "off" if stayed else color,
        "delta_arrow": "off" if stayed else "auto",
    }


@contextmanager
def show_errors() -> Iterator[None]:
    """A UserError inside the block becomes a message on the page."""
    try:
        yield
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")


def store() -> Store:
    """The run store; without one the page ends here, with the reason."""
    try:
        return open_store()
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()


def wide(count: int, key: str) -> Sequence[DeltaGenerator]:
    """Columns for charts and forms: they stack where each would be too narrow (assets/style.css)."""
    return st.container(key=f"wide-{key}").columns(count)


def small(count: int, key: str) -> Sequence[DeltaGenerator]:
    """Columns for cards with a few words and numbers; as many beside each other as fit."""
    return st.container(key=f"cards-{key}").columns(count)


def plain(text: str) -> str:
    """Any text as Markdown that shows just that text."""
    return _SPECIAL.sub(r"\\\1", text)


def state_badge(state: State) -> None:
    label, icon, colour = STATE_BADGES[state]
    st.badge(label, icon=icon, color=colour)


def page_of(record: RunRecord) -> str:
    """The page that shows this run."""
    if record.spec is not None and record.spec.only_checks:
        return "pages/check.py"
    planted_only = record.spec is not None and record.spec.defense is None
    return "pages/attack.py" if planted_only else "pages/defend.py"


def open_run(record: RunRecord) -> None:
    """Go to the run's page; its address can be kept and shared."""
    st.switch_page(page_of(record), query_params={"run": record.id})
