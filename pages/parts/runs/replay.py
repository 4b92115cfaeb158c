"""The pruning steps of a run: a table, and a slider that shows curve, grid and table at an earlier step."""

from typing import Any

import streamlit as st

from backend.base.events import Head, PruningStep
from backend.runs.progress import RunProgress
from backend.runs.records import RunRecord


def chosen_step(record: RunRecord, progress: RunProgress) -> int:
    """How many steps to show: all while the run goes on, else up to the one on the slider, which the address
    keeps."""
    last = len(progress.steps) - 1
    if not record.over or last < 1:
        return len(progress.steps)
    asked = st.query_params.get("step", "")
    start = min(int(asked), last) if asked.isdecimal() else last
    step = st.slider(
        "Replay: pruning step",
        0,
        last,
        start,
        key=f"replay-{record.id}",
        help="Shows the curve, the grid and the table as they were at that step. Arrow keys move the slider.",
    )
    if step != last:
        st.query_params["step"] = str(step)
    else:
        st.query_params.pop("step", None)
    return step + 1


def step_table(record: RunRecord, steps: list[PruningStep]) -> None:
    """Every step with its heads and numbers; the table's own menu downloads it."""
    share = st.column_config.NumberColumn(format="%.1f %%")
    st.dataframe(
        [_row(step) for step in reversed(steps)],
        hide_index=True,
        height=min(38 + 35 * len(steps), 320),
        column_config=dict.fromkeys(("Validation, tried", "Validation, kept", "ACC", "LFR"), share),
        key=f"steps-{record.id}",
        alt="Pruning steps, the last first",
    )


def _row(step: PruningStep) -> dict[str, Any]:
    return {
        "Step": step.step,
        "Heads pruned": step.pruned_total,
        "Pruned (layer.head)": _heads(step.pruned),
        "Restored": _heads(step.restored),
        "Validation, tried": 100 * step.tried_val_acc,
        "Validation, kept": 100 * step.val_acc,
        "ACC": 100 * step.acc,
        "LFR": None if step.lfr is None else 100 * step.lfr,
    }


def _heads(heads: list[Head]) -> str:
    return " ".join(f"{layer}.{head}" for layer, head in heads)
