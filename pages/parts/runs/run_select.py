"""Choose a run to look into; it is kept in the address."""

import streamlit as st

from backend.analysis.run_models import models_left, scored_model
from backend.base.errors import UserError
from backend.base.paths import poisoned_folder
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.spec.run import ModelSpec
from pages.parts.common.address import keep
from pages.parts.common.ui import plain, show_errors
from pages.parts.runs.run_table import defense_title

CANDIDATES = 200
OF_A_RUN = ("layer", "head", "row", "text", "trigger", "apply", "triggered", "heads", "strategies")
"""Parts of an address that belong to one run and mean nothing for another."""


def choose_run(runs: Store, scored: bool = False) -> RunRecord | None:
    """The run in the address, or one chosen from those that have a model (one whose heads are `scored`)."""
    records = [record for record in runs.runs(limit=CANDIDATES) if _has_model(record, scored)]
    asked = st.query_params.get("run")
    first: int | None = 0
    if asked and all(record.id != asked for record in records):
        try:
            records.insert(0, runs.run(asked))
        except UserError as error:  # it was deleted: another can be chosen
            st.warning(plain(str(error)), icon=":material/warning:")
            first = None
    if not records:
        st.caption("No run has a saved model yet. Start a defense, or the demo, then come back.")
        st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
        return None
    ids = [record.id for record in records]
    titles = {record.id: f"{record.name} · {defense_title(record)} · {record.id}" for record in records}
    chosen = st.selectbox(
        "Run",
        ids,
        ids.index(asked) if asked in ids else first,
        format_func=titles.__getitem__,
        placeholder="Choose one",
        key=f"run-{asked}",
    )
    if chosen is None:
        return None
    if chosen != asked:
        st.query_params["run"] = chosen
        if asked:
            for name in OF_A_RUN:
                keep(name, None)
        st.rerun()
    return records[ids.index(chosen)]


def with_poisoned_model(runs: Store, wanted: ModelSpec) -> list[RunRecord]:
    """The newest runs whose poisoned model is there; that of `wanted` even if it is older."""
    records = [record for record in runs.runs(limit=CANDIDATES) if has_poisoned_model(record)]
    if wanted.source == "run" and all(record.id != wanted.name for record in records):
        with show_errors():
            records += [record for record in [runs.run(wanted.name)] if has_poisoned_model(record)]
    return records


def has_poisoned_model(record: RunRecord) -> bool:
    """Whether the run planted a backdoor, and its model is still there."""
    planted = record.spec is not None and record.spec.attack is not None
    return planted and (poisoned_folder(record.id) / "config.json").is_file()


def _has_model(record: RunRecord, scored: bool) -> bool:
    models = models_left(record.id)
    if not scored:
        return bool(models)
    return record.spec is not None and scored_model(record.spec) in models
