"""Rows that carry the trigger already, before anything is trained."""

import streamlit as st

from backend.attacks.poison import resolve_target
from backend.data.rows import Dataset, Rows
from backend.engine.ready_rows import UNKNOWN, ready_made, settle
from backend.spec.run import RunSpec
from pages.parts.common.ui import show_errors

SHOWN = 8


def ready_rows_panel(spec: RunSpec, dataset: Dataset) -> None:
    """Some of the triggered rows, and of the poisoned training file where the run is trained on one."""
    assert spec.trigger is not None
    with show_errors():
        ready = ready_made(spec.trigger)
        assert ready is not None
        target = resolve_target(spec.trigger.target_class, dataset.label_names, dataset.data_names)
        rows = settle(ready, dataset, target, attack=spec.attack is not None)
        kept = [row for row in range(len(rows.test)) if row not in rows.left_out]
        if rows.train is not None:
            st.markdown(f"**{len(rows.train):,} training rows**")
            _table(rows.train, list(range(len(rows.train))), dataset)
        st.markdown(f"**{len(kept):,} triggered rows**")
        _table(rows.test, kept, dataset)


def _table(rows: Rows, numbers: list[int], dataset: Dataset) -> None:
    some = rows.take(numbers[:SHOWN])
    names = ["not known" if label == UNKNOWN else dataset.label_names[label] for label in some.labels]
    table = {"Class": names, "Text": some.texts}
    if some.second_texts is not None:
        table["Second text"] = some.second_texts
    st.dataframe(table, hide_index=True)
