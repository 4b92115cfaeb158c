"""The live view of one run: reads what the run said since the last look, and draws it.

Everything drawn comes from the store, so a reload or a second tab sees the same run."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from backend.base.events import Metrics, ModelName, RowsTriggered, title_of
from backend.base.numbers import GAP, count, duration, interval, percent, with_interval
from backend.base.steps import Stage
from backend.evaluation.rates import floor_of
from backend.report.figures import run as figures
from backend.report.sentences import guardrail, sampled
from backend.runs.progress import Story, models_of, seconds_left, stages_of, tell
from backend.runs.records import RunRecord
from backend.runs.results import rows_left_out
from backend.runs.store import Store
from backend.strategies import COMPONENTS
from pages.parts.common.row_pairs import examples_table
from pages.parts.common.ui import change, plain, small, state_badge, told, wide
from pages.parts.runs.actions import cancel_button
from pages.parts.runs.battery import battery_panel
from pages.parts.runs.downloads import downloads, rewritings_download
from pages.parts.runs.replay import chosen_step, step_table
from pages.parts.runs.run_table import strategies_of
from pages.parts.runs.verdict import verdict_panel

REFRESH_SECONDS = 1.0


def monitor(store: Store, run: str) -> None:
    """Show the run, once if it is over, else anew every second until it is."""
    over = store.run(run).over
    st.fragment(_view, run_every=None if over else REFRESH_SECONDS)(store, run, over)


def story_of(store: Store, record: RunRecord) -> Story:
    """The run's story so far, kept in the session and carried on by what is new."""
    key = f"story-{record.id}"
    before: Story | None = st.session_state.get(key)
    story = tell(store.events(record.id, after=before.seen if before else 0), before)
    st.session_state[key] = story
    return story


def _view(store: Store, run: str, was_over: bool) -> None:
    with told():
        record = store.run(run)
        if record.over and not was_over:
            st.rerun()  # The whole page once more: without the timer, with the downloads.
        story = story_of(store, record)
        _head(store, record, story)
        _now(record, story)
        verdict_panel(store, record, story)
        battery_panel(store, record)
        _numbers(record, story)
        _charts(record, story)
        _details(record, story)
        if record.over:
            st.subheader("Take it with you", anchor=False)
            downloads(store, record, f"download-{record.id}")


def _head(store: Store, record: RunRecord, story: Story) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.subheader(plain(record.name), anchor=False, width="content")
            state_badge(record.state)
        cancel_button(store, record, f"cancel-{record.id}")
    facts = [f"Run {record.id}"]
    if record.seconds is not None:
        facts.append(duration(record.seconds))
    if story.device:
        facts.append(plain(story.device))
    if record.spec is not None:
        facts.append(f"seed {record.spec.seed}")
    if story.resumed:
        facts.append("taken up again after an interruption")
    st.caption(" · ".join(facts))


def _now(record: RunRecord, story: Story) -> None:
    """The stages with their states, and what is happening at the moment."""
    with st.container(border=True):
        if record.spec is not None:
            with st.container(horizontal=True, gap="small"):
                for stage in stages_of(record.spec):
                    _stage_badge(story, stage)
        if record.problem is not None:
            st.warning(plain(record.problem), icon=":material/warning:")
        if record.state == "failed":
            error = story.finished.error if story.finished else None
            st.error(plain(error or "The run failed and left no message."), icon=":material/error:")
        elif record.state == "cancelled":
            st.caption("Cancelled. What had finished by then is kept below.")
            if story.finished is not None and story.finished.error:
                st.caption(plain(story.finished.error))
        elif record.cancel_requested:
            st.caption("Cancelling: the run stops within a batch, at the latest in ten seconds.")
        elif record.state == "queued":
            st.caption(
                "In the queue. It starts as soon as the worker is free; this page follows it by itself."
            )
        elif record.state == "running":
            _progress(record, story)


def _stage_badge(story: Story, stage: Stage) -> None:
    view, title = story.stages.get(stage.name), stage.title
    if view is None:
        st.badge(title, icon=":material/radio_button_unchecked:", color="gray")
    elif view.state == "running":
        st.badge(title, icon=":material/progress_activity:", color="blue")
    elif view.state == "stopped":
        st.badge(title, icon=":material/block:", color="red")
    else:
        spent = "kept from before" if view.reused else duration(view.seconds)
        st.badge(f"{title} · {spent}", icon=":material/check:", color="green")


def _progress(record: RunRecord, story: Story) -> None:
    name, progress = story.stage, story.progress
    if name is None:
        st.caption("Starting: the worker loads its libraries.")
        return
    stages = {stage.name: stage for stage in stages_of(record.spec)} if record.spec is not None else {}
    if name in stages:
        st.markdown(plain(stages[name].explanation))
    title = story.stages[name].title
    if progress is None or progress.stage != name or not progress.total:
        st.progress(0.0, text=plain(f"{title}…"))
        return
    what = progress.detail.capitalize() or title
    left = seconds_left(progress)
    after = f" · about {duration(left)} left in this part" if left is not None else ""
    text = f"{what}: {progress.done:,} of {progress.total:,} {progress.unit}{after}"
    st.progress(min(1.0, progress.done / progress.total), text=plain(text))


def _numbers(record: RunRecord, story: Story) -> None:
    """ACC and LFR of each model, with the change from the one before."""
    names = models_of(record.spec, story)
    if not names or (record.over and not story.metrics):
        return
    before: Metrics | None = None
    last: ModelName | None = None
    columns = small(max(2, len(names)), f"numbers-{record.id}")
    for column, (name, caption) in zip(columns, names.items(), strict=False):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title_of(name)}**")
            st.caption(plain(caption))
            now = story.metrics.get(name)
            if now is None:
                st.caption("Not measured." if record.over else "Not there yet.")
                continue
            versus = f"vs {title_of(last).lower()}" if last else None
            st.metric(
                "ACC",
                percent(now.acc),
                **change(before.acc if before else None, now.acc),
                delta_description=versus,
                help=f"Clean test rows called right; {interval(now.acc_interval)} is the 95{GAP}% interval.",
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
                    help="Label flip rate: triggered rows of other classes that are called the target class.",
                )
                st.caption(
                    f"{interval(now.lfr_interval)} of {count(now.triggered_rows, 'row')}; "
                    f"without trigger {with_interval(*floor_of(now))}"
                )
            before, last = now, name


def _charts(record: RunRecord, story: Story) -> None:
    if not story.steps and not story.scores:
        if strategies_of(record) and not record.over:
            st.caption("The pruning curve and the head grid appear here once the heads have scores.")
        return
    upto = chosen_step(record, story)
    steps = story.steps[:upto]
    left, right = wide(2, f"charts-{record.id}")
    with left.container(border=True, height="stretch"):
        if story.steps:
            st.plotly_chart(
                _drawn(
                    f"curve-figure-{record.id}", story, upto, lambda: figures.pruning_curve(story.steps, upto)
                ),
                key=f"curve-{record.id}",
                alt="Line chart of accuracy and label flip rate against the number of pruned heads",
            )
            st.caption(plain(guardrail(story, upto) or ""))
            if record.spec is not None and (most := record.spec.setting("curve_rows")):
                st.caption(plain(sampled(story, most)))
        else:
            st.caption("The curve starts with the first pruning step.")
    with right.container(border=True, height="stretch"):
        st.plotly_chart(
            _drawn(f"grid-figure-{record.id}", story, upto, lambda: figures.head_grid(story.scores, steps)),
            key=f"grid-{record.id}",
            alt="Grid of attention heads by layer, coloured by importance, pruned heads crossed out",
        )
        st.caption(
            "Each square is one attention head. Low importance goes first; hover for its place in line."
        )
        for chosen in strategies_of(record):
            if note := COMPONENTS[chosen.name].variant_notes.get(chosen.variant or ""):
                st.caption(f":material/info: {plain(note)}")
        if story.scores is not None and story.scores.note:
            st.caption(f":material/info: {plain(story.scores.note)}")
    if steps:
        with st.expander("Pruning steps as a table", icon=":material/table_rows:"):
            step_table(record, steps)


def _drawn(key: str, story: Story, upto: int, draw: Callable[[], go.Figure]) -> go.Figure:
    """The figure that was drawn last, unless there is something new to draw.

    A live page looks every second, and drawing would take time from the run on a small machine."""
    newest = story.steps and story.steps[-1].time
    stamp = (story.scores and story.scores.time, len(story.steps), newest, upto)
    kept: tuple[object, go.Figure] | None = st.session_state.get(key)
    if kept is None or kept[0] != stamp:
        kept = (stamp, draw())
        st.session_state[key] = kept
    return kept[1]


def _details(record: RunRecord, story: Story) -> None:
    for warning in story.warnings:
        st.caption(f":material/info: {plain(warning)}")
    if len(story.measured()) > 1 and record.over:
        with st.container(border=True):
            st.plotly_chart(
                figures.metric_bars(story.metrics),
                key=f"bars-{record.id}",
                alt="Bars of ACC, LFR and clean flip rate for each model",
            )
            if any(metrics.lfr is not None for metrics in story.metrics.values()):
                st.caption(
                    "Floor: clean flip rate, the share of untriggered rows of other classes that the same "
                    "model calls the target class."
                )
    if story.data is None:
        return
    with st.expander("Data of this run", icon=":material/dataset:"):
        rows = " · ".join(f"{name} {number:,}" for name, number in story.data.rows.items())
        st.caption(
            f"{plain(story.data.source)}. Rows: {rows}. Classes: {plain(', '.join(story.data.label_names))}."
        )
    if story.rows is not None:
        _triggered_rows(record, story.rows)


def _triggered_rows(record: RunRecord, rows: RowsTriggered) -> None:
    """What the trigger made of the rows, and which it had to leave out."""
    planted_only = record.spec is not None and record.spec.defense is None
    with st.expander("Rows with the trigger", expanded=planted_only, icon=":material/edit_note:"):
        said = []
        if rows.poisoned:
            said.append(
                f"{count(rows.poisoned, 'training row')} poisoned, {rows.poisoned_left_out:,} left out"
            )
        said.append(f"{count(rows.triggered, 'test row')} triggered, {rows.triggered_left_out:,} left out")
        st.caption("; ".join(said) + ".")
        examples_table([("", clean, new) for clean, new in rows.examples])
        if rows.poisoned_left_out + rows.triggered_left_out:
            left_out = rows_left_out(record.id)
            if left_out:
                st.markdown(f"**Left out** (the first {len(left_out)})")
                st.dataframe(left_out, hide_index=True)
        rewritings_download(record, f"rewritings-{record.id}")
