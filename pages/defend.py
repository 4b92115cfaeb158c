"""Defend: choose a victim and a defense; watch whether the backdoor is removed."""

from typing import Any

import streamlit as st

from backend.base.components import Choice, Component
from backend.data.rows import Dataset
from backend.defenses import COMPONENTS as DEFENSES
from backend.findings.found_trigger import found_trigger
from backend.findings.gather import gather
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.spec.parse import parse
from backend.spec.presets import head_pruning
from backend.spec.run import CheckSpec, DataSpec, ModelSpec, RunSpec, TriggerSpec
from pages.parts.common.forms import (
    component_select,
    params_form,
    variant_select,
    with_groups,
    without_groups,
)
from pages.parts.common.ui import plain, show_errors, store, wide
from pages.parts.runs.actions import parse_seeds
from pages.parts.runs.run_page import follow
from pages.parts.runs.run_select import has_poisoned_model, with_poisoned_model
from pages.parts.runs.run_table import trigger_title
from pages.parts.runs.submit import show_warnings, start
from pages.parts.spec.spec_form import (
    data_form,
    from_library,
    loaded,
    model_form,
    name_input,
    target_class,
    trigger_form,
)

HEAD_PRUNING = head_pruning()
DEFAULT = RunSpec(defense=HEAD_PRUNING)
TRIGGERS = {"planted": "The planted trigger", "known": "Choose a trigger", "none": "None"}


def set_up(runs: Store) -> None:
    default, key = DEFAULT, "defend"
    with show_errors():
        default, key = from_library(*_defaults(runs))
    victims = with_poisoned_model(runs, default.model)
    settings, seeds, notes = _choose(default, key, victims)
    if settings is None:
        return
    specs: list[RunSpec] = []
    with show_errors():
        specs = [parse(settings | {"seed": seed}) for seed in parse_seeds(seeds)]
    if not specs:
        return
    show_warnings(specs[0], notes)
    label = "Start the defense" if len(specs) == 1 else f"Start {len(specs)} runs, one for each seed"
    if st.button(label, type="primary", icon=":material/shield:", key="start"):
        with show_errors():
            start(runs, specs)


def _defaults(runs: Store) -> tuple[RunSpec, str]:
    """What the form starts from: a run to repeat, a victim to defend, a checked model to clean, or the newest
    victim."""
    if checked := st.query_params.get("check"):
        return _to_clean(runs, checked), f"defend-checked-{checked}"
    like, victim = st.query_params.get("like"), st.query_params.get("victim")
    if like:
        record = runs.run(like)
        spec = record.spec or DEFAULT
        if spec.attack is not None and not has_poisoned_model(record):
            st.warning(
                f"Run {plain(record.id)} has no poisoned model. Its settings are below; choose another "
                "victim.",
                icon=":material/warning:",
            )
            spec = spec.model_copy(update={"attack": None})
        elif spec.attack is not None:
            # The poisoned model exists: use it, instead of planting it again.
            victim_spec = _planted_by(record)
            spec = spec.model_copy(update={"model": victim_spec, "attack": None})
        return spec.model_copy(update={"defense": spec.defense or DEFAULT.defense}), f"defend-{record.id}"
    if victim:
        return DEFAULT.model_copy(update={"model": _planted_by(runs.run(victim))}), f"defend-of-{victim}"
    newest = next((record for record in runs.runs(limit=200) if has_poisoned_model(record)), None)
    if newest is not None:
        return DEFAULT.model_copy(update={"model": _planted_by(newest)}), "defend"
    return DEFAULT, "defend"


def _planted_by(record: RunRecord) -> ModelSpec:
    """The model that a run planted, with the classifier head that the run's own defense would give it, so
    that attack and defense as two runs come to the same as in one."""
    head = record.spec.model.head if record.spec is not None else "auto"
    return ModelSpec(source="run", name=record.id, head=head)


def _to_clean(runs: Store, run: str) -> RunSpec:
    """A defense of the model that a check judged, measured with what it found and checked again."""
    record = runs.run(run)
    if record.spec is None:
        return DEFAULT
    verdict = gather(runs, record).check
    checked = record.spec
    trigger = found_trigger(verdict, checked.trigger) if verdict is not None else None
    parts = {
        "model": checked.model,
        "data": checked.data,
        "trigger": trigger or checked.trigger,
        "check": checked.check or CheckSpec(),
    }
    return DEFAULT.model_copy(update=parts)


def _choose(
    default: RunSpec, key: str, victims: list[RunRecord]
) -> tuple[dict[str, Any] | None, str, list[str]]:
    """The settings without a seed (None: not complete), the seeds, and the notes on the data."""
    left, right = wide(2, "defend")
    with left.container(border=True, height="stretch"):
        st.subheader("1 · Victim and clean data", anchor=False)
        model = model_form(f"{key}-model", default.model, victims)
        origin = next((record for record in victims if record.id == model["name"]), None)
        data = _data(default, key, origin)
    with right.container(border=True, height="stretch"):
        st.subheader("2 · Defense", anchor=False)
        chosen = default.defense or HEAD_PRUNING
        component, defense = _defense(chosen, key)
    with st.container(border=True):
        st.subheader("3 · Trigger to measure with", anchor=False)
        trigger = _trigger(default, key, origin, data[1] if data else None)
    with st.container(border=True):
        st.subheader("4 · Training and seeds", anchor=False)
        left, right = st.columns(2)
        help_text = "One run for each seed, for example 11, 12, 13."
        seeds = left.text_input("Seeds", str(default.seed), key=f"{key}-seeds", help=help_text)
        with right:
            rest: dict[str, Any] = {"name": name_input(f"{key}-name", default.name)}
        stranger = origin is None and model["source"] != "embedded"
        check_again = st.toggle(
            "Check the defended model for backdoors",
            default.check is not None or stranger,
            key=f"{key}-check-again{'-stranger' if stranger else ''}",
            help="After the defense, all that a check tries is tried on the model that is left: some minutes "
            "more. What was planted here is measured with its trigger all the same.",
        )
        rest["check"] = (default.check or CheckSpec()).model_dump() if check_again else None
        defense["params"] |= _groups(component, chosen, key)
    if data is None or (model["source"] != "embedded" and not model["name"]):
        st.caption("Choose a victim and clean data to go on.")
        return None, seeds, []
    spec, dataset = data
    settings = {"model": model, "data": spec.model_dump(), "trigger": trigger, "defense": defense, **rest}
    return settings, seeds, dataset.notes


def _data(default: RunSpec, key: str, origin: RunRecord | None) -> tuple[DataSpec, Dataset] | None:
    origin_spec = origin.spec if origin is not None else None
    if origin_spec is not None:
        # Keep other data that the address names.
        same = not {"like", "data", "check"} & set(st.query_params) or default.data == origin_spec.data
        if st.toggle("Use that run's clean data", same, key=f"{key}-same-data"):
            return loaded(origin_spec.data.model_dump())
    return loaded(data_form(f"{key}-data", default.data))


def _defense(default: Choice, key: str) -> tuple[Component, dict[str, Any]]:
    """Which defense, and its settings except for groups such as fine-tunings."""
    names = sorted(DEFENSES, key=lambda name: name != HEAD_PRUNING.name)
    offered = {name: DEFENSES[name] for name in names if not DEFENSES[name].needs_attack}
    component = component_select("Defense", offered, f"{key}-defense", default)
    variant = variant_select(component, f"{key}-{component.name}-variant", default)
    params = _params(component, default, key, without_groups(component.params))
    if "accuracy_threshold" in params:
        share = f"{100 * params['accuracy_threshold']:g} %"
        of = " of the fine-tuned model's" if params["threshold_kind"] == "relative" else ""
        st.caption(f"Heads are pruned while validation accuracy stays at {share}{of} or above.")
    return component, {"name": component.name, "variant": variant, "params": params}


def _groups(component: Component, default: Choice, key: str) -> dict[str, Any]:
    """The defense's groups of settings, such as its fine-tunings."""
    names = with_groups(component.params)
    if not names:
        return {}
    with st.expander("Fine-tuning, step by step", icon=":material/tune:"):
        return _params(component, default, key, names)


def _params(component: Component, default: Choice, key: str, names: list[str]) -> dict[str, Any]:
    values = default.params if default.name == component.name else {}
    return params_form(component.params, f"{key}-{component.name}", values, names)


def _trigger(
    default: RunSpec, key: str, origin: RunRecord | None, dataset: Dataset | None
) -> dict[str, Any] | None:
    """The trigger that LFR is measured with; None: LFR is not measured."""
    planted = origin.spec.trigger if origin is not None and origin.spec is not None else None
    choices = [name for name in TRIGGERS if name != "planted" or planted is not None]
    start = "none" if default.trigger is None else "known"
    unset = default.trigger is None and not {"like", "check"} & set(st.query_params)
    if planted is not None and (unset or default.trigger == planted):
        start = "planted"
    choice = st.segmented_control(
        "Trigger",
        choices,
        format_func=TRIGGERS.__getitem__,
        default=start,
        required=True,
        key=f"{key}-measure-{'planted' if planted else 'free'}",
        help="Only for measuring LFR, the label flip rate (also called attack success rate, ASR): the share "
        "of triggered rows that get the target class. The defense never sees the trigger.",
    )
    if choice == "planted" and planted is not None:
        title = trigger_title(origin) if origin is not None else planted.name
        st.caption(
            f"LFR is measured with the trigger that the run planted: {plain(title)}. The defense never sees "
            "it."
        )
        return planted.model_dump()
    if choice == "none":
        st.caption("Without a trigger LFR is not measured: the run shows only accuracy.")
        return None
    described = default.trigger or TriggerSpec(name="rare-words")
    trigger = trigger_form(f"{key}-trigger", described)
    if dataset is not None:
        trigger["target_class"] = target_class(f"{key}-target", dataset.label_names, described.target_class)
    return trigger


st.title("Defend", anchor=False)
st.caption(
    "Remove a model's backdoor with clean data alone: by pruning attention heads or by another defense."
)
runs = store()
chosen = st.query_params.get("run")
with show_errors():
    if chosen:
        follow(runs, chosen, "New defense")
    else:
        set_up(runs)
