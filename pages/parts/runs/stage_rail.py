"""The stages of a run with their states, and what is happening at the moment."""

import streamlit as st

from backend.base.numbers import duration
from backend.base.steps import Stage
from backend.runs.progress import RunProgress, seconds_left, stages_of
from backend.runs.records import RunRecord
from pages.parts.common.ui import plain


def stage_rail(record: RunRecord, run_progress: RunProgress) -> None:
    """The stages with their states, and what is happening at the moment."""
    with st.container(border=True):
        if record.spec is not None:
            with st.container(horizontal=True, gap="small"):
                for stage in stages_of(record.spec):
                    # An earlier version may have finished the run without a stage of this one.
                    if record.state != "done" or stage.name in run_progress.stages:
                        _stage_badge(run_progress, stage)
        if record.problem is not None:
            st.warning(plain(record.problem), icon=":material/warning:")
        if record.state == "failed":
            error = run_progress.finished.error if run_progress.finished else None
            st.error(plain(error or "The run failed without a message."), icon=":material/error:")
        elif record.state == "cancelled":
            st.caption("Cancelled. The stages that had finished are kept and shown below.")
            if run_progress.finished is not None and run_progress.finished.error:
                st.caption(plain(run_progress.finished.error))
        elif record.cancel_requested:
            st.caption("Cancelling: the run stops after the current batch, at most in ten seconds.")
        elif record.state == "queued":
            st.caption("In the queue. It starts as soon as the worker is free; this page updates by itself.")
        elif record.state == "running":
            _progress(record, run_progress)


def _stage_badge(run_progress: RunProgress, stage: Stage) -> None:
    view, title = run_progress.stages.get(stage.name), stage.title
    if view is None:
        st.badge(title, icon=":material/radio_button_unchecked:", color="gray")
    elif view.state == "running":
        st.badge(title, icon=":material/progress_activity:", color="blue")
    elif view.state == "stopped":
        st.badge(title, icon=":material/block:", color="red")
    else:
        spent = "reused" if view.reused else duration(view.seconds)
        st.badge(f"{title} · {spent}", icon=":material/check:", color="green")


def _progress(record: RunRecord, run_progress: RunProgress) -> None:
    name, progress = run_progress.stage, run_progress.latest
    if name is None:
        st.caption("Starting: the worker loads its libraries.")
        return
    stages = {stage.name: stage for stage in stages_of(record.spec)} if record.spec is not None else {}
    if name in stages:
        st.markdown(plain(stages[name].explanation))
    title = run_progress.stages[name].title
    if progress is None or progress.stage != name or not progress.total:
        st.progress(0.0, text=plain(f"{title}…"))
        return
    what = progress.detail.capitalize() or title
    left = seconds_left(progress)
    after = f" · about {duration(left)} left in this step" if left is not None else ""
    text = f"{what}: {progress.done:,} of {progress.total:,} {progress.unit}{after}"
    st.progress(min(1.0, progress.done / progress.total), text=plain(text))
