"""Library: models and data sets on this machine, where they come from, and their hashes."""

from typing import Any

import streamlit as st

from backend.library.entries import Entry, Kind, entries, remove, uses
from backend.library.fetch import add_path, add_upload, fetch
from backend.runs.store import Store
from pages.parts.common.ask import ask
from pages.parts.common.file_field import KINDS
from pages.parts.common.model_inside import model_inside
from pages.parts.common.ui import plain, show_errors, store

WAYS = ["From the hub", "A path on this machine", "An upload"]
TITLES: dict[Kind, str] = {"model": "Models", "data": "Data sets"}


def size(count: int | None) -> str:
    """`91000000` as `91.0 MB`."""
    if count is None:
        return "not fetched yet"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def table(kind: Kind, listed: list[Entry]) -> Entry | None:
    """The entries of one kind; the one that is selected."""
    rows = [
        {
            "Name": entry.title,
            **({"Classes": ", ".join(entry.classes) or "–"} if kind == "model" else {}),
            "From": entry.source,
            "Size": size(entry.bytes) if entry.bytes is not None or entry.origin != "folder" else "gone",
            "Licence": entry.licence or "not known",
            "SHA-256": entry.sha256 or "not known",
        }
        for entry in listed
    ]
    event: Any = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"library-{kind}-{hash(tuple(entry.name for entry in listed))}",
        column_config={"SHA-256": st.column_config.TextColumn(width="medium")},
        alt=TITLES[kind],
    )
    picked = event["selection"]["rows"]
    return listed[picked[0]] if picked else None


def details(runs: Store, entry: Entry) -> None:
    """One entry: its full hash, ways to use it, a way to remove it."""
    with st.container(border=True):
        st.markdown(f"**{plain(entry.title)}**")
        st.caption(
            f"{plain(entry.source)} · {size(entry.bytes)} · licence {plain(entry.licence or 'not known')}"
        )
        if entry.kind == "model" and entry.classes:
            st.caption(f"A whole classifier. Its classes: {plain(', '.join(entry.classes))}.")
        if entry.problem:
            reason = f"It cannot be attacked or defended. {entry.problem}"
            st.warning(plain(reason), icon=":material/warning:")
        if entry.sha256:
            what = "weights" if entry.kind == "model" else "rows"
            if len(entry.files) > 1:
                st.caption(f"SHA-256 of each file of {what}, then of these hashes joined together:")
                lines = [f"{digest}  {name}" for name, digest in sorted(entry.files.items())]
                st.code("\n".join([*lines, entry.sha256]), language=None)
            else:
                st.caption(f"SHA-256 of the {what}:")
                st.code(entry.sha256, language=None)
        if entry.changed:
            st.warning(
                "The files have changed since they were added. If you did not change them, find out who did. "
                "Add them again to update the hash.",
                icon=":material/warning:",
            )
        with st.container(horizontal=True):
            _use(entry)
            if entry.removable:
                _remove(runs, entry)


def _use(entry: Entry) -> None:
    sources = {"built in": "", "hub": "hub", "folder": "folder", "upload": "folder"}
    if entry.kind == "data" and entry.origin in ("folder", "upload"):
        source = "files"
    else:
        source = sources[entry.origin]
    if not source:
        return
    query: dict[str, str] = {entry.kind: f"{source}:{entry.name}"}
    st.page_link(
        "pages/check.py",
        label="Check it" if entry.kind == "model" else "Check a model with it",
        icon=":material/policy:",
        query_params=query,
    )
    st.page_link("pages/attack.py", label="Attack with it", icon=":material/bug_report:", query_params=query)
    st.page_link("pages/defend.py", label="Defend with it", icon=":material/shield:", query_params=query)


def _remove(runs: Store, entry: Entry) -> None:
    open_runs = runs.runs(None, states=["queued", "running"])
    waiting = [run for run in open_runs if run.spec and uses(run.spec, entry)]
    label = "Remove from the list" if entry.origin == "folder" else "Remove from this machine"
    with st.popover(label, icon=":material/delete:", disabled=bool(waiting)):
        st.markdown(
            {
                "built in": "It is downloaded again from PyPI when it is next used.",
                "hub": "It is downloaded again from the hub when it is next used.",
                "folder": "Only the entry is removed; your files stay where they are.",
                "upload": "The files that you uploaded are deleted for good. Finished runs stay as they are.",
            }[entry.origin]
        )
        if st.button(label, type="primary", key=f"remove-{entry.kind}-{entry.name}"):
            with show_errors():
                remove(entry)
                st.session_state["library-said"] = f"{entry.title} was removed from the library."
                st.rerun()
    if waiting:
        st.caption(f"Run {plain(waiting[0].name)} uses it. Wait until the run ends, or cancel it.")


def add() -> None:
    """Add a model or data: checked before it is kept, and hashed."""
    way = st.segmented_control("Add", WAYS, default=WAYS[0], required=True, key="add-way")
    if way == WAYS[0]:
        _from_hub()
    elif way == WAYS[1]:
        with st.form("add-path", border=False, clear_on_submit=False):
            place = st.text_input(
                "Model folder or file of rows",
                placeholder="/path/to/model",
                help="A folder with config.json, a tokenizer and .safetensors weights; or a file of rows: "
                "CSV, TSV, JSON, Parquet, packed or not, or a folder of save_to_disk. It stays where it is.",
            )
            asked = st.form_submit_button("Add", icon=":material/add:")
        chosen = model_inside("add-inside", place)
        if chosen != place:
            st.caption("That folder holds no model itself. Choose one of those inside.")
            asked = st.button("Add this model", icon=":material/add:")
        if asked:
            with show_errors(), st.spinner("Reading and hashing…", show_time=True):
                _show_message(f"{add_path(chosen).title} is in the library.")
    else:
        given = st.file_uploader(
            "A .zip of a model folder, or a file of rows",
            KINDS,
            key=f"add-upload-{st.session_state.get('library-uploads', 0)}",
            help="Only the config, tokenizer and .safetensors files of an archive are unpacked.",
        )
        if given is not None and st.button("Add the upload", icon=":material/add:"):
            with show_errors(), st.spinner("Reading and hashing…", show_time=True):
                entry = add_upload(given.name, given.getvalue())
                st.session_state["library-uploads"] = st.session_state.get("library-uploads", 0) + 1
                _show_message(f"{entry.title} is in the library.")


def _from_hub() -> None:
    with st.form("add-hub", border=False):
        kinds: dict[str, Kind] = {"A model": "model", "A data set": "data"}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.segmented_control("Kind", list(kinds), default="A model", required=True)
            name = st.text_input("Hub name", placeholder="owner/name")
        if st.form_submit_button("Fetch", icon=":material/download:"):
            with show_errors():
                _show_message(ask(f"Fetching {name.strip()}", fetch, kinds[kind], name.strip()))


def _show_message(text: str) -> None:
    """Show the text after the page is drawn anew, with what was added."""
    st.session_state["library-said"] = text
    st.rerun()


st.title("Library", anchor=False)
st.caption(
    "Models and data sets on this machine. Excise loads weights only from .safetensors files: pickle files "
    "can run a stranger's code."
)
runs = store()
if message := st.session_state.pop("library-said", None):
    st.success(plain(message), icon=":material/check_circle:")
with show_errors():
    every = entries()
    for kind, title in TITLES.items():
        st.subheader(title, anchor=False)
        chosen = table(kind, [entry for entry in every if entry.kind == kind])
        if chosen is not None:
            details(runs, chosen)
    st.caption("Choose a row to see its full hash, to use it, or to remove it.")
with st.container(border=True):
    st.subheader("Add to the library", anchor=False)
    add()
