"""Choose a run to look into; it is kept in the address."""

import streamlit as st

from backend.analysis.run_models import models_left
from backend.base.errors import UserError
from backend.base.events import ModelName
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.address import keep
from pages.parts.common.ui import plain
from pages.parts.runs.run_table import defense_title

CANDIDATES = 200
OF_A_RUN = ("layer", "head", "row", "text", "trigger", "apply", "triggered", "heads", "strategies")
"""What an address says of one run that means nothing in another."""


def choose_run(runs: Store, needed: ModelName | None = None) -> RunRecord | None:
    """The run in the address, or one chosen from those that left the model that is `needed` (None: any)."""
    found = [one for one in runs.runs(limit=CANDIDATES) if _has(models_left(one.id), needed)]
    asked = st.query_params.get("run")
    first: int | None = 0
    if asked and all(one.id != asked for one in found):
        try:
            found.insert(0, runs.run(asked))
        except UserError as error:  # it was deleted: another can be chosen
            st.warning(plain(str(error)), icon=":material/warning:")
            first = None
    if not found:
        st.caption(
            "No run has a model that could be looked into. Start a defense, or the demo, and come back."
        )
        st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
        return None
    ids = [one.id for one in found]
    titles = {one.id: f"{one.name} · {defense_title(one)} · {one.id}" for one in found}
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
    return found[ids.index(chosen)]


def _has(models: list[ModelName], needed: ModelName | None) -> bool:
    return bool(models) if needed is None else needed in models
