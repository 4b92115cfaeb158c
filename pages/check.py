"""Check: from a model and some labelled rows to a verdict: is it backdoored, by what, and what to do."""

from typing import Any

import streamlit as st

from backend.base.errors import UserError
from backend.data.rows import Dataset
from backend.runs.store import Store
from backend.spec.parse import parse
from backend.spec.run import CheckSpec, DataSpec, ModelSpec, RunSpec, TriggerSpec
from pages.parts.common.forms import params_form
from pages.parts.common.ui import plain, show_errors, store, wide
from pages.parts.runs.run_page import follow
from pages.parts.runs.run_select import with_poisoned_model
from pages.parts.runs.submit import notes_before, start
from pages.parts.spec.check_form import (
    expected_time,
    model_reading,
    own_rows_or_built_in,
    rows_reading,
    upload_model,
)
from pages.parts.spec.spec_form import (
    data_form,
    few_rows,
    from_library,
    loaded,
    model_form,
    name_input,
    target_class,
    trigger_form,
)

CHOOSE = "Choose"
# A folder and a file are asked for first, both still empty.
DEFAULT = RunSpec(check=CheckSpec()).model_copy(
    update={
        "model": ModelSpec.model_construct(source="folder", name="", head="auto"),
        "data": DataSpec.model_construct(source="files"),
    }
)


def set_up(runs: Store) -> None:
    """What to check, how it is read, what it takes, and the start button."""
    default, key = DEFAULT, "check"
    with show_errors():
        default, key = _defaults(runs)
    settings = _model_and_rows(runs, default, key)
    with st.container(gap="xxsmall"):
        model_reading(settings["model"])
        data = loaded(settings["data"], rows_reading)
        further_notes = st.container(gap="xxsmall")
    start_row = st.container()
    dataset = None
    if data is not None:
        settings["data"], dataset = data[0].model_dump(), data[1]
    settings |= _folded(default, key, dataset)
    spec, problem, notes = _ready(settings, dataset)
    for note in notes:
        if dataset is None or note not in dataset.notes:
            further_notes.caption(f":material/info: {plain(note)}")
    with start_row:
        pressed = _start_button(spec, problem, dataset)
    if pressed and spec is not None:
        with show_errors():
            start(runs, [spec])


def _start_button(spec: RunSpec | None, problem: str, dataset: Dataset | None) -> bool:
    """Whether it was pressed; beside it how long the check takes, or why it cannot start."""
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Check this model", type="primary", icon=":material/policy:", key="start", disabled=spec is None
        )
        if spec is not None:
            st.caption(f":material/timer: {expected_time(spec, dataset)}", width="content")
        elif problem.startswith(CHOOSE):
            st.caption(plain(problem), width="content")
    if spec is None and not problem.startswith(CHOOSE):
        st.warning(plain(problem), icon=":material/warning:")
    return pressed


def _defaults(runs: Store) -> tuple[RunSpec, str]:
    """What the form starts from: another run, or the model and the rows that the address names."""
    default, key = DEFAULT, "check"
    if like := st.query_params.get("like"):
        default, key = runs.run(like).spec or DEFAULT, f"check-{like}"
    return from_library(default, key)


def _model_and_rows(runs: Store, default: RunSpec, key: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    left, right = wide(2, "check")
    with left.container(border=True, height="stretch"):
        st.subheader("1 · Model", anchor=False)
        victims = with_poisoned_model(runs, default.model)
        settings["model"] = model_form(f"{key}-model", default.model, victims)
        upload_model(f"{key}-upload")
    with right.container(border=True, height="stretch"):
        st.subheader("2 · Labelled rows", anchor=False)
        settings["data"] = data_form(f"{key}-data", default.data, "Rows")
        own_rows_or_built_in(settings["data"], settings["model"])
    return settings


def _folded(default: RunSpec, key: str, dataset: Dataset | None) -> dict[str, Any]:
    """What most users leave as it is: a known trigger, and what is tried."""
    settings: dict[str, Any] = {}
    left, right = wide(2, "check-more")
    with left.expander("A trigger that you suspect (optional)", icon=":material/key:"):
        settings["trigger"] = _trigger(default, key, dataset)
    with right.expander("What is tried", icon=":material/tune:"):
        check = (default.check or CheckSpec()).model_dump()
        settings["check"] = params_form(CheckSpec, f"{key}-check", check)
        settings |= params_form(RunSpec, f"{key}-run", default.model_dump(), ["seed"])
        settings["name"] = name_input(f"{key}-name", default.name)
    if dataset is not None:
        few_rows(dataset)
    return settings


def _trigger(default: RunSpec, key: str, dataset: Dataset | None) -> dict[str, Any] | None:
    st.caption(
        "It is tried first, and LFR, the label flip rate (attack success rate, ASR), is measured with it."
    )
    if not st.toggle("Try this trigger too", default.trigger is not None, key=f"{key}-with-trigger"):
        return None
    described = default.trigger or TriggerSpec(name="rare-words")
    trigger = trigger_form(f"{key}-trigger", described)
    if dataset is not None:
        trigger["target_class"] = target_class(f"{key}-target", dataset.label_names, described.target_class)
    return trigger


def _ready(settings: dict[str, Any], dataset: Dataset | None) -> tuple[RunSpec | None, str, list[str]]:
    """The run to start, None with the one reason why it cannot; and notes on how things are read."""
    named = settings["model"]["source"] == "embedded" or settings["model"]["name"]
    if not named or dataset is None:
        missing = [
            what for what, lacks in (("a model", not named), ("labelled rows", dataset is None)) if lacks
        ]
        return None, f"{CHOOSE} {' and '.join(missing)} to go on.", []
    tried = settings["check"]
    if not (tried["known_triggers"] or tried["scan"] or settings["trigger"]):
        return None, "Nothing would be tried. Switch on known triggers or the scan under “What is tried”.", []
    try:
        spec = parse(settings | {"share": True})
        return spec, "", notes_before(spec)
    except UserError as error:
        return None, str(error), []


st.title("Check", anchor=False)
runs = store()
chosen = st.query_params.get("run")
with show_errors():
    if chosen:
        follow(runs, chosen, "New check")
    else:
        st.caption(
            "Can this model be trusted? Excise looks for what takes it over, compares with a clean model, "
            "and says what to do. Your model stays as it is."
        )
        set_up(runs)
