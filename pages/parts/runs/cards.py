"""Runs as cards: state and verdict, the numbers and how they developed, a link."""

from collections.abc import Sequence

import streamlit as st

from backend.base.numbers import age, duration, interval, percent
from backend.findings.check import CheckVerdict
from backend.findings.gather import gather
from backend.runs.progress import RunProgress, stage_title
from backend.runs.records import RunRecord
from backend.runs.store import Store
from pages.parts.common.ui import open_run, plain, small, state_badge
from pages.parts.runs.check_panel import check_badge
from pages.parts.runs.monitor import session_progress
from pages.parts.runs.run_table import defense_title, trigger_title
from pages.parts.runs.verdict import badge, kept_verdict


def cards(store: Store, records: Sequence[RunRecord], key: str, per_row: int = 3) -> None:
    """Runs as cards that open them."""
    for start in range(0, len(records), per_row):
        columns = small(per_row, f"{key}-{start}")
        for column, record in zip(columns, records[start : start + per_row], strict=False):
            with column.container(border=True, height="stretch"):
                _card(store, record, key)


def _card(store: Store, record: RunRecord, key: str) -> None:
    progress = session_progress(store, record)
    findings = gather(store, record, progress)
    check = findings.check
    with st.container(horizontal=True, gap="small"):
        state_badge(record.state)
        verdict = kept_verdict(findings)
        if verdict is not None and not findings.judged_by_check:
            badge(verdict.level)
        if check is not None and (record.over or check.level != "cannot tell"):
            check_badge(check.level)
    st.markdown(f"**{plain(record.name)}**")
    st.caption(f"{_doing(record)} · {age(record.created)} · {duration(record.seconds)}")
    only_checks = record.spec is not None and record.spec.only_checks
    if record.final_metrics is not None and only_checks:
        _checked(check, record)
    elif record.final_metrics is not None:
        _numbers(progress, record)
    elif record.stage is not None and not record.over:
        st.markdown(plain(f"{stage_title(record.spec, record.stage)}…"))
    if st.button("Open", icon=":material/open_in_new:", key=f"{key}-{record.id}"):
        open_run(record)


def _numbers(progress: RunProgress, record: RunRecord) -> None:
    """The final ACC and LFR, each with its curve over models and pruning steps."""
    now = record.final_metrics
    assert now is not None
    left, right = st.columns(2)
    left.metric("ACC", percent(now.acc), chart_data=_path(progress, "acc"))
    left.caption(interval(now.acc_interval))
    right.metric(
        "LFR", "not known" if now.lfr is None else percent(now.lfr), chart_data=_path(progress, "lfr")
    )
    if now.lfr is not None:
        right.caption(interval(now.lfr_interval))


def _checked(check: CheckVerdict | None, record: RunRecord) -> None:
    """The accuracy, and the rows that the strongest trigger flips."""
    now = record.final_metrics
    assert now is not None
    left, right = st.columns(2)
    left.metric("ACC", percent(now.acc))
    left.caption(interval(now.acc_interval))
    if check is not None and check.evidence and check.level != "cannot tell":
        strongest = check.evidence[0]
        right.metric("Rows flipped at most", percent(strongest.flip_rate))
        right.caption(plain(f"{strongest.text} → {strongest.toward}"))


def _path(progress: RunProgress, measure: str) -> list[float] | None:
    """Percentages in the order of the progress: of each model, and of each pruning step before the model that
    the steps led to."""
    values: list[float | None] = []
    for name, metrics in progress.metrics.items():
        if name == "pruned":
            values += [getattr(step, measure) for step in progress.steps]
        values.append(getattr(metrics, measure))
    if "pruned" not in progress.metrics:
        values += [getattr(step, measure) for step in progress.steps]
    percentages = [100 * value for value in values if value is not None]
    return percentages if len(percentages) > 1 else None


def _doing(record: RunRecord) -> str:
    if record.spec and record.spec.only_checks:
        return "Check"
    parts = [plain(trigger_title(record))] if record.spec and record.spec.trigger else []
    if record.spec and record.spec.defense:
        parts.append(plain(defense_title(record)))
    return " → ".join(parts) or f"Run {record.id}"
