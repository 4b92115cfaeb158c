"""What lessons share: carry out a small run, and answer a question by what was tried."""

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.analysis.lessons import carry_out, progress_of_lesson
from backend.base.events import Metrics, ModelName
from backend.report.figures import lessons as lesson_figures
from backend.runs.progress import RunProgress
from backend.spec.run import RunSpec
from pages.parts.common.ask import ask
from pages.parts.common.ui import plain, show_errors

SECONDS = "about ten seconds on two cores, then kept"


def tried(options: Mapping[str, RunSpec]) -> dict[str, RunProgress]:
    """The options that somebody has carried out on this machine, with what they found."""
    found = {name: progress_of_lesson(spec) for name, spec in options.items()}
    return {name: progress for name, progress in found.items() if progress is not None}


def choose(label: str, options: Mapping[str, RunSpec], key: str) -> str:
    """One of the options, at first the first; the address keeps it under `key`."""
    names = list(options)
    chosen: str = st.segmented_control(
        label, names, default=names[0], required=True, key=key, bind="query-params"
    )
    return chosen


def attempt(name: str, spec: RunSpec, key: str, doing: str = "Training and measuring") -> RunProgress | None:
    """The progress of a run, once the learner has it carried out."""
    progress = progress_of_lesson(spec)
    if progress is not None:
        return progress
    if st.button(f"Try: {plain(name)}", type="primary", icon=":material/play_arrow:", key=f"{key}-try"):
        with show_errors():
            ask(doing, carry_out, spec)
            st.rerun()
    st.caption(f"This is a real run of the engine: {SECONDS}.")
    return None


def chart(found: Mapping[str, RunProgress], model: ModelName, title: str, axis: str, key: str) -> None:
    """ACC, LFR and floor of one model in each of the tries."""
    known: dict[str, Metrics] = {
        name: progress.metrics[model] for name, progress in found.items() if model in progress.metrics
    }
    if known:
        figure = lesson_figures.tries(list(known), list(known.values()), title, axis)
        st.plotly_chart(figure, key=f"{key}-chart", alt=title)


def question(text: str, options: Sequence[str], right: int | None, why: str, first: str, key: str) -> None:
    """The question at the end: `right` is what the learner's own runs say, None while there are too few;
    then `first` says what to try."""
    with st.container(border=True):
        st.markdown("**Your turn**")
        answer = st.radio(text, options, index=None, key=f"{key}-answer")
        if right is None:
            st.caption(f":material/science: {first}")
        elif answer is not None and options.index(answer) == right:
            st.success(why, icon=":material/check_circle:")
        elif answer is not None:
            st.error(
                "Your runs show something else. Look at the numbers above again.", icon=":material/replay:"
            )
