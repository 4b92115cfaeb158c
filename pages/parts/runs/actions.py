"""What a user can do with runs: submit, cancel, delete, run again."""

from collections.abc import Sequence

import streamlit as st

from backend.base.errors import UserError
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.runs.worker import ensure_worker
from backend.spec.run import RunSpec
from pages.parts.common.ui import plain, show_errors


def submit(store: Store, specs: Sequence[RunSpec]) -> list[RunRecord]:
    """Queue the runs and make sure that a worker runs."""
    records = [store.submit(spec) for spec in specs]
    start_worker(store)
    return records


def start_worker(store: Store) -> None:
    """Make sure that a worker runs for the queue."""
    try:
        ensure_worker(store)
    except UserError as error:
        # They are queued anyway: the supervisor tries again.
        st.toast(plain(str(error)), icon=":material/warning:")


def parse_seeds(text: str) -> list[int]:
    """`11, 12` as numbers, each once; raises UserError."""
    seeds: list[int] = []
    for part in text.replace(";", ",").replace(" ", ",").split(","):
        if not part:
            continue
        if not part.isdecimal() or int(part) >= 2**31:
            raise UserError(f"Seeds are whole numbers separated by commas, such as 11, 12; this is {part!r}.")
        if int(part) not in seeds:
            seeds.append(int(part))
    if not seeds:
        raise UserError("Give at least one seed, for example 11.")
    if len(seeds) > 50:
        raise UserError(f"{len(seeds)} seeds would queue {len(seeds)} runs. Give at most 50 at a time.")
    return seeds


def cancel_button(store: Store, record: RunRecord, key: str) -> None:
    """Ask the run to stop; it does so within a batch."""
    if record.over:
        return
    label = "Cancelling" if record.cancel_requested else "Cancel"
    if st.button(label, icon=":material/stop_circle:", key=key, disabled=record.cancel_requested):
        with show_errors():
            store.cancel(record.id)
            st.rerun()


def resume_button(store: Store, record: RunRecord, key: str) -> None:
    """Resume a failed or cancelled run after its last finished stage."""
    if record.state not in ("failed", "cancelled") or record.spec is None:
        return
    if st.button("Resume", icon=":material/play_arrow:", key=key):
        with show_errors():
            store.resume(record.id)
            st.session_state.pop(f"progress-{record.id}", None)
            ensure_worker(store)
            st.rerun()


def again_button(store: Store, record: RunRecord, key: str) -> RunRecord | None:
    """Queue the same settings once more; returns the new run."""
    disabled = record.spec is None
    if (
        not st.button("Run again", icon=":material/replay:", key=key, disabled=disabled)
        or record.spec is None
    ):
        return None
    with show_errors():
        return submit(store, [record.spec])[0]
    return None


def delete_button(store: Store, record: RunRecord, key: str) -> None:
    """Delete at the second click: a run's models and numbers cannot be restored."""
    running = record.state == "running"
    hint = "Cancel it first." if running else None
    with st.popover("Delete", icon=":material/delete:", disabled=running, help=hint):
        st.markdown(
            f"**{plain(record.name)}** ({record.id}), its numbers and its models will be deleted. This "
            "cannot be undone."
        )
        if st.button("Delete for good", type="primary", icon=":material/delete_forever:", key=key):
            with show_errors():
                store.delete(record.id)
                st.session_state.pop(f"progress-{record.id}", None)
                st.query_params.pop("run", None)
                st.rerun()
