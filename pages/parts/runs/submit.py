"""From settings to queued runs: checks first, then the queue, then the run's own address."""

from collections.abc import Sequence

import streamlit as st

from backend.attacks.preview import rewritten, uses_model
from backend.base.errors import UserError
from backend.engine.preflight import check, looks_up
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.spec.presets import preset
from backend.spec.run import RunSpec
from pages.parts.common.ui import open_run, plain, show_errors, small
from pages.parts.runs.actions import submit

READY_MADE = {
    "demo": (
        "Demo",
        "A small BERT gets a backdoor from poisoned movie reviews and is defended by pruning heads. "
        "A few minutes on two CPU cores.",
    ),
    "smoke": (
        "Test run",
        "Every stage on a few hundred rows, in under a minute. It shows that everything works; its numbers "
        "mean nothing.",
    ),
    "paper": (
        "Published settings",
        "BERT-base on SST-2 as in the paper. Needs a GPU and the Hugging Face hub.",
    ),
}


def ready_made(store: Store, key: str) -> None:
    """A card with a start button for each preset."""
    for column, (name, (title, text)) in zip(small(len(READY_MADE), key), READY_MADE.items(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.caption(text)
            if st.button(
                f"Start {title.lower()}",
                type="primary" if name == "demo" else "secondary",
                icon=":material/play_arrow:",
                key=f"{key}-{name}",
            ):
                with show_errors(), st.spinner("Checking…"):
                    open_run(submit(store, [preset(name)])[0])


def notes_before(spec: RunSpec) -> list[str]:
    """Warnings that need neither network nor a language model; a hub's are looked up at the start.

    Raises UserError if the run cannot start."""
    if looks_up(spec):
        return []
    asks_model = spec.trigger is not None and uses_model(spec.trigger)
    return check(spec, None if asks_model else rewritten)


def show_warnings(spec: RunSpec, shown: Sequence[str]) -> None:
    """The warnings of `notes_before` that are not `shown` yet, or why the run cannot start."""
    try:
        for warning in notes_before(spec):
            if warning not in shown:
                st.caption(f":material/info: {plain(warning)}")
    except UserError as error:
        st.warning(plain(str(error)), icon=":material/warning:")


def start(store: Store, specs: Sequence[RunSpec]) -> None:
    """Check the runs, queue them, and open the first one.  Raises UserError."""
    with st.spinner("Checking model, data and trigger…"):
        check(specs[0], rewritten)
    show(submit(store, specs))


def show(records: Sequence[RunRecord]) -> None:
    """Put the runs into this page's address and show the first."""
    st.query_params.clear()
    st.query_params["run"] = records[0].id
    if len(records) > 1:
        st.query_params["runs"] = ",".join(record.id for record in records)
    st.rerun()


def siblings(store: Store, run: str) -> None:
    """The runs that were started together, one for each seed, to switch between."""
    ids = [part for part in st.query_params.get("runs", "").split(",") if part]
    if len(ids) < 2 or run not in ids:
        return
    names = {}
    for one in ids[:50]:
        with show_errors():
            record = store.run(one)
            names[one] = f"seed {record.spec.seed}" if record.spec else record.id
    chosen = st.segmented_control(
        "Runs started together",
        list(names),
        format_func=names.__getitem__,
        default=run,
        required=True,
        key=f"of-{run}",
    )
    if chosen != run:
        st.query_params["run"] = chosen
        st.query_params.pop("step", None)
        st.rerun()
