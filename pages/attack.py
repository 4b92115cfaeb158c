"""Attack: choose what to poison, see the rows before training, plant the backdoor and watch it."""

from typing import Any

import streamlit as st

from backend.attacks.poison import resolve_target
from backend.attacks.triggers import COMPONENTS
from backend.data.rows import Dataset
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.spec.parse import parse
from backend.spec.run import AttackSpec, RunSpec, TriggerSpec
from pages.parts.attack.ready_rows import ready_rows_panel
from pages.parts.attack.trigger_quality import quality_panel
from pages.parts.attack.triggered_rows import edits_of, rows_panel
from pages.parts.common.forms import params_form
from pages.parts.common.ui import plain, show_errors, store, wide
from pages.parts.runs.run_page import follow
from pages.parts.runs.submit import show_warnings, start
from pages.parts.spec.spec_form import (
    data_form,
    from_library,
    loaded,
    model_form,
    name_input,
    target_class,
    training_form,
    trigger_form,
)

DEFAULT = RunSpec(trigger=TriggerSpec(name="rare-words"), attack=AttackSpec())


def defend_button(record: RunRecord) -> None:
    """Leads to Defend with this run's poisoned model as the victim."""
    planted = record.summary is not None and "poisoned" in record.summary.metrics
    if planted and st.button("Defend this model", type="primary", icon=":material/shield:", key="defend"):
        st.switch_page("pages/defend.py", query_params={"victim": record.id})


def set_up(runs: Store) -> None:
    """The form, a preview of the rows, and the start button."""
    default, key = DEFAULT, "attack"
    like = st.query_params.get("like")
    with show_errors():
        if like:
            default, key = runs.run(like).spec or DEFAULT, f"attack-{like}"
        default, key = from_library(default, key)
    settings, dataset = _choose(default, key)
    if dataset is None:
        return
    spec = None
    with show_errors():
        spec = parse(settings)
        assert spec.trigger is not None
        edits = edits_of(spec.trigger, key)
        if default.trigger is not None and f"{key}-edits" not in st.session_state:
            st.session_state[f"{key}-edits"] = "taken over"
            edits.update(default.trigger.edits)
        spec.trigger.edits = edits
    if spec is None:
        return
    _show_rows(spec, dataset, key)
    show_warnings(spec, dataset.notes)
    if st.button("Plant the backdoor", type="primary", icon=":material/bug_report:", key="plant"):
        with show_errors():
            start(runs, [spec])


def _choose(default: RunSpec, key: str) -> tuple[dict[str, Any], Dataset | None]:
    attack = default.attack or AttackSpec()
    settings: dict[str, Any] = {"model": {}, "data": {}}
    left, right = wide(2, "attack")
    with left.container(border=True, height="stretch"):
        st.subheader("1 · Model and clean data", anchor=False)
        settings["model"] = model_form(f"{key}-model", default.model)
        data = loaded(data_form(f"{key}-data", default.data))
    with right.container(border=True, height="stretch"):
        st.subheader("2 · Trigger and target", anchor=False)
        trigger = trigger_form(f"{key}-trigger", default.trigger)
        if data is None:
            st.caption("Load the data to choose a target class.")
            return settings, None
        spec, dataset = data
        value = default.trigger.target_class if default.trigger else None
        trigger["target_class"] = target_class(f"{key}-target-{spec.source}", dataset.label_names, value)
        planted = params_form(AttackSpec, f"{key}-attack", attack.model_dump(), ["poison_rate", "planting"])
    with st.container(border=True):
        st.subheader("3 · Training", anchor=False)
        planted["training"] = training_form(f"{key}-training", attack.training)
        rest = _rest(default, key)
    settings |= {"data": spec.model_dump(), "trigger": trigger, "attack": planted, **rest}
    return settings, dataset


def _rest(default: RunSpec, key: str) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        name = name_input(f"{key}-name", default.name)
    with right:
        return {"name": name} | params_form(RunSpec, f"{key}-run", default.model_dump(), ["seed"])


def _show_rows(spec: RunSpec, dataset: Dataset, key: str) -> None:
    """Clean and triggered rows side by side, and the measured quality of the trigger."""
    assert spec.trigger is not None and spec.attack is not None
    with st.container(border=True):
        st.subheader("4 · Before and after", anchor=False)
        number = resolve_target(spec.trigger.target_class, dataset.label_names)
        target = dataset.label_names[number]
        others = sum(label != number for label in dataset.train.labels)
        if COMPONENTS[spec.trigger.name].ready_made is not None:
            ready_rows_panel(spec, dataset)
            return
        st.caption(
            f"{round(spec.attack.poison_rate * others):,} of {others:,} training rows that are not "
            f"“{plain(target)}” are copied; the copies get the trigger and the label “{plain(target)}”, and "
            "are added to the clean rows."
        )
        rows_panel(spec, dataset, edits_of(spec.trigger, key), f"{key}-rows")
    quality_panel(spec.trigger, f"{key}-quality")


st.title("Attack", anchor=False)
st.caption("Plant a backdoor in a classifier, to study how to remove it.")
runs = store()
chosen = st.query_params.get("run")
with show_errors():
    if chosen:
        follow(runs, chosen, "Plant another", defend_button)
    else:
        set_up(runs)
