"""The live view of one run: reads the run's new events and draws them.

Everything drawn comes from the store, so a reload or a second tab sees the same run."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from backend.base.events import Metrics, ModelName, RowsTriggered, title_of
from backend.base.numbers import GAP, count, duration, interval, percent, with_interval
from backend.evaluation.rates import at_chance, floor_of
from backend.findings.caveats import few_triggered, lost_classes
from backend.findings.gather import Findings, gather
from backend.report.figures import run as figures
from backend.report.sentences import few_rows, guardrail, rows_triggered, sampled
from backend.runs.progress import RunProgress, models_of, progress_of
from backend.runs.records import RunRecord
from backend.runs.results import rows_left_out
from backend.runs.store import Store
from backend.strategies import COMPONENTS
from pages.parts.common.row_pairs import examples_table
from pages.parts.common.ui import change, plain, show_errors, small, state_badge, wide
from pages.parts.runs.actions import cancel_button
from pages.parts.runs.battery import battery_panel
from pages.parts.runs.check_panel import check_panel, layers_panel, scan_panel, tried_panel
from pages.parts.runs.downloads import downloads, rewritings_download
from pages.parts.runs.replay import chosen_step, step_table
from pages.parts.runs.run_table import strategies_of
from pages.parts.runs.stage_rail import stage_rail
from pages.parts.runs.verdict import verdict_panel

REFRESH_SECONDS = 1.0


def monitor(store: Store, run: str) -> None:
    """Show the run: once if it is over, else every second until it is."""
    over = store.run(run).over
    st.fragment(_view, run_every=None if over else REFRESH_SECONDS)(store, run, over)


def session_progress(store: Store, record: RunRecord) -> RunProgress:
    """The run's progress so far, kept in the session and updated with new events."""
    key = f"progress-{record.id}"
    before: RunProgress | None = st.session_state.get(key)
    run_progress = progress_of(store.events(record.id, after=before.seen if before else 0), before)
    st.session_state[key] = run_progress
    return run_progress


def _view(store: Store, run: str, was_over: bool) -> None:
    with show_errors():
        record = store.run(run)
        if record.over and not was_over:
            st.rerun()  # The whole page once more: without the timer, with the downloads.
        run_progress = session_progress(store, record)
        findings = gather(store, record, run_progress)
        _head(store, record, run_progress)
        if findings.only_checks:
            _check(findings)
        else:
            stage_rail(record, run_progress)
            check_panel(findings)
            scan_panel(findings)
            if not findings.judged_by_check:
                verdict_panel(findings)
            battery_panel(findings)
            _numbers(record, run_progress)
            _charts(record, run_progress)
            tried_panel(findings)
            layers_panel(findings)
        _details(record, run_progress)
        if record.over:
            st.subheader("Download", anchor=False)
            downloads(findings, f"download-{record.id}")


def _check(findings: Findings) -> None:
    """A run that changes no model: its verdict stands above everything, and is all that there is to judge."""
    record = findings.record
    check_panel(findings)
    stage_rail(record, findings.progress)
    scan_panel(findings)
    tried_panel(findings)
    layers_panel(findings)
    if record.spec is not None and record.spec.check is not None and not record.spec.check.known_triggers:
        battery_panel(findings)


def _head(store: Store, record: RunRecord, run_progress: RunProgress) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.subheader(plain(record.name), anchor=False, width="content")
            state_badge(record.state)
        cancel_button(store, record, f"cancel-{record.id}")
    facts = [f"Run {record.id}"]
    if record.seconds is not None:
        facts.append(duration(record.seconds))
    if run_progress.device:
        facts.append(plain(run_progress.device))
    if record.spec is not None:
        facts.append(f"seed {record.spec.seed}")
    if run_progress.resumed:
        facts.append("resumed after an interruption")
    st.caption(" · ".join(facts))


def _numbers(record: RunRecord, run_progress: RunProgress) -> None:
    """ACC and LFR of each model, with the change from the one before."""
    names = models_of(record.spec, run_progress)
    if not names or (record.over and not run_progress.metrics):
        return
    before: Metrics | None = None
    last: ModelName | None = None
    columns = small(max(2, len(names)), f"numbers-{record.id}")
    for column, (name, caption) in zip(columns, names.items(), strict=False):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title_of(name)}**")
            st.caption(plain(caption))
            now = run_progress.metrics.get(name)
            if now is None:
                st.caption("Not measured." if record.over else "Not measured yet.")
                continue
            versus = f"vs {title_of(last).lower()}" if last else None
            st.metric(
                "ACC",
                percent(now.acc),
                **change(before.acc if before else None, now.acc),
                delta_description=versus,
                help=f"Clean test rows classified correctly; 95{GAP}% interval {interval(now.acc_interval)}.",
            )
            st.caption(f"{interval(now.acc_interval)} of {count(now.test_rows, 'row')}")
            if now.lfr is None:
                st.caption("LFR not measured: no trigger is known.")
            else:
                st.metric(
                    "LFR",
                    percent(now.lfr),
                    **change(before.lfr if before else None, now.lfr, "inverse"),
                    delta_description=versus,
                    help="Label flip rate, also called attack success rate (ASR): triggered rows of other "
                    "classes that get the target class.",
                )
                st.caption(
                    f"{interval(now.lfr_interval)} of {count(now.triggered_rows, 'row')}; "
                    f"without trigger {with_interval(*floor_of(now))}"
                )
                if at_chance(now):
                    st.caption(":material/warning: ACC is no better than guessing: LFR means nothing.")
                elif (rows := few_triggered(now)) is not None:
                    st.caption(f":material/info: {few_rows(rows)}.")
            if lost := lost_classes(now):
                classes = ", ".join(f"“{row.label}”" for row in lost)
                st.caption(plain(f"Lost: no test row of {classes} is classified correctly."))
            before, last = now, name


def _charts(record: RunRecord, run_progress: RunProgress) -> None:
    if not run_progress.steps and not run_progress.scores:
        if strategies_of(record) and not record.over:
            st.caption("The pruning curve and the head grid appear here once the heads have scores.")
        return
    upto = chosen_step(record, run_progress)
    steps = run_progress.steps[:upto]
    left, right = wide(2, f"charts-{record.id}")
    with left.container(border=True, height="stretch"):
        if run_progress.steps:
            st.plotly_chart(
                _drawn(
                    f"curve-figure-{record.id}",
                    run_progress,
                    upto,
                    lambda: figures.pruning_curve(run_progress.steps, upto),
                ),
                key=f"curve-{record.id}",
                alt="Line chart of accuracy and label flip rate against the number of pruned heads",
            )
            st.caption(plain(guardrail(run_progress, upto) or ""))
            if record.spec is not None and (most := record.spec.setting("curve_rows")):
                st.caption(plain(sampled(run_progress, most)))
        else:
            st.caption("The curve starts with the first pruning step.")
    with right.container(border=True, height="stretch"):
        st.plotly_chart(
            _drawn(
                f"grid-figure-{record.id}",
                run_progress,
                upto,
                lambda: figures.head_grid(run_progress.scores, steps),
            ),
            key=f"grid-{record.id}",
            alt="Grid of attention heads by layer, coloured by importance, pruned heads crossed out",
        )
        st.caption(
            "Each square is one attention head. Heads of low importance are pruned first; hover to see a "
            "head's rank."
        )
        for chosen in strategies_of(record):
            if note := COMPONENTS[chosen.name].variant_notes.get(chosen.variant or ""):
                st.caption(f":material/info: {plain(note)}")
        if run_progress.scores is not None and run_progress.scores.note:
            st.caption(f":material/info: {plain(run_progress.scores.note)}")
    if steps:
        with st.expander("Pruning steps as a table", icon=":material/table_rows:"):
            step_table(record, steps)


def _drawn(key: str, run_progress: RunProgress, upto: int, draw: Callable[[], go.Figure]) -> go.Figure:
    """The figure that was drawn last, unless there is something new to draw.

    A live page looks every second, and drawing would slow the run down on a small machine."""
    newest = run_progress.steps and run_progress.steps[-1].time
    stamp = (run_progress.scores and run_progress.scores.time, len(run_progress.steps), newest, upto)
    kept: tuple[object, go.Figure] | None = st.session_state.get(key)
    if kept is None or kept[0] != stamp:
        kept = (stamp, draw())
        st.session_state[key] = kept
    return kept[1]


def _details(record: RunRecord, run_progress: RunProgress) -> None:
    for warning in run_progress.warnings:
        st.caption(f":material/info: {plain(warning)}")
    if len(run_progress.measured()) > 1 and record.over:
        with st.container(border=True):
            st.plotly_chart(
                figures.metric_bars(run_progress.metrics),
                key=f"bars-{record.id}",
                alt="Bars of ACC, LFR and clean flip rate for each model",
            )
            if any(metrics.lfr is not None for metrics in run_progress.metrics.values()):
                st.caption(
                    "Floor: the clean flip rate, the share of rows of other classes without a trigger that "
                    "the same model assigns to the target class."
                )
    if run_progress.data is None:
        return
    with st.expander("Data of this run", icon=":material/dataset:"):
        rows = " · ".join(f"{name} {number:,}" for name, number in run_progress.data.rows.items())
        st.caption(
            f"{plain(run_progress.data.source)}. Rows: {rows}. "
            f"Classes: {plain(', '.join(run_progress.data.label_names))}."
        )
    if run_progress.rows is not None:
        _triggered_rows(record, run_progress.rows)


def _triggered_rows(record: RunRecord, rows: RowsTriggered) -> None:
    """The rows with the trigger, and those that it could not change."""
    planted_only = record.spec is not None and record.spec.defense is None and not record.spec.only_checks
    with st.expander("Rows with the trigger", expanded=planted_only, icon=":material/edit_note:"):
        st.caption(rows_triggered(rows))
        examples_table([("", clean, new) for clean, new in rows.examples])
        if rows.poisoned_left_out + rows.triggered_left_out:
            left_out = rows_left_out(record.id)
            if left_out:
                st.markdown(f"**Left out** (the first {len(left_out)})")
                st.dataframe(left_out, hide_index=True)
        rewritings_download(record, f"rewritings-{record.id}")
