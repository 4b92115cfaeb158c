"""Defend: choose a victim and a defense; watch the backdoor go, or stay."""

from typing import Any

import streamlit as st

from backend.base.components import Choice, Component
from backend.base.paths import poisoned_folder
from backend.data.rows import Dataset
from backend.defenses import COMPONENTS as DEFENSES
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.spec.parse import parse
from backend.spec.presets import head_pruning
from backend.spec.run import DataSpec, ModelSpec, RunSpec, TriggerSpec
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
from pages.parts.runs.run_table import trigger_title
from pages.parts.runs.submit import start, warnings_before
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
TRIGGERS = {"planted": "The planted one", "known": "One I describe", "none": "None"}


def set_up(runs: Store) -> None:
    default, key = DEFAULT, "defend"
    with show_errors():
        default, key = from_library(*_defaults(runs))
    victims = [record for record in runs.runs(limit=200) if _has_poisoned_model(record)]
    if default.model.source == "run" and all(one.id != default.model.name for one in victims):
        with show_errors():  # it is older than those
            victims += [one for one in [runs.run(default.model.name)] if _has_poisoned_model(one)]
    settings, seeds, notes = _choose(default, key, victims)
    if settings is None:
        return
    specs: list[RunSpec] = []
    with show_errors():
        specs = [parse(settings | {"seed": seed}) for seed in parse_seeds(seeds)]
    if not specs:
        return
    warnings_before(specs[0], notes)
    label = "Start the defense" if len(specs) == 1 else f"Start {len(specs)} runs, one for each seed"
    if st.button(label, type="primary", icon=":material/shield:", key="start"):
        with show_errors():
            start(runs, specs)


def _defaults(runs: Store) -> tuple[RunSpec, str]:
    """What the form starts from: a run to repeat, a victim to defend, or the newest victim."""
    like, victim = st.query_params.get("like"), st.query_params.get("victim")
    if like:
        record = runs.run(like)
        spec = record.spec or DEFAULT
        if spec.attack is not None and not _has_poisoned_model(record):
            st.warning(
                f"Run {plain(record.id)} left no poisoned model. Its settings are below; choose a victim.",
                icon=":material/warning:",
            )
            spec = spec.model_copy(update={"attack": None})
        elif spec.attack is not None:
            # The poisoned model is there: take it, instead of planting it once more.
            victim_spec = ModelSpec(source="run", name=record.id, head=spec.model.head)
            spec = spec.model_copy(update={"model": victim_spec, "attack": None})
        return spec.model_copy(update={"defense": spec.defense or DEFAULT.defense}), f"defend-{record.id}"
    if victim:
        return DEFAULT.model_copy(
            update={"model": ModelSpec(source="run", name=victim)}
        ), f"defend-of-{victim}"
    newest = next((record for record in runs.runs(limit=200) if _has_poisoned_model(record)), None)
    if newest is not None:
        return DEFAULT.model_copy(update={"model": ModelSpec(source="run", name=newest.id)}), "defend"
    return DEFAULT, "defend"


def _has_poisoned_model(record: RunRecord) -> bool:
    planted = record.spec is not None and record.spec.attack is not None
    return planted and (poisoned_folder(record.id) / "config.json").is_file()


def _choose(
    default: RunSpec, key: str, victims: list[RunRecord]
) -> tuple[dict[str, Any] | None, str, list[str]]:
    """The settings without a seed (None: not complete), the seeds, and what was said of the data."""
    left, right = wide(2, "defend")
    with left.container(border=True, height="stretch"):
        st.subheader("1 · Victim and clean data", anchor=False)
        model = model_form(f"{key}-model", default.model, victims)
        origin = next((record for record in victims if record.id == model["name"]), None)
        found = _data(default, key, origin)
    with right.container(border=True, height="stretch"):
        st.subheader("2 · Defense", anchor=False)
        chosen = default.defense or HEAD_PRUNING
        component, defense = _defense(chosen, key)
    with st.container(border=True):
        st.subheader("3 · Trigger to measure with", anchor=False)
        trigger = _trigger(default, key, origin, found[1] if found else None)
    with st.container(border=True):
        st.subheader("4 · Training and seeds", anchor=False)
        left, right = st.columns(2)
        help_text = "One run for each seed, for example 11, 12, 13."
        seeds = left.text_input("Seeds", str(default.seed), key=f"{key}-seeds", help=help_text)
        with right:
            rest = {"name": name_input(f"{key}-name", default.name)}
        defense["params"] |= _groups(component, chosen, key)
    if found is None or (model["source"] != "embedded" and not model["name"]):
        st.caption("Choose a victim and clean data to go on.")
        return None, seeds, []
    spec, dataset = found
    settings = {"model": model, "data": spec.model_dump(), "trigger": trigger, "defense": defense, **rest}
    return settings, seeds, dataset.notes


def _data(default: RunSpec, key: str, origin: RunRecord | None) -> tuple[DataSpec, Dataset] | None:
    known = origin.spec if origin is not None else None
    if known is not None:
        # Another choice of data that the address names is not to be lost.
        same = not {"like", "data"} & set(st.query_params) or default.data == known.data
        if st.toggle("Clean data of that run", same, key=f"{key}-same-data"):
            return loaded(known.data.model_dump())
    return loaded(data_form(f"{key}-data", default.data))


def _defense(default: Choice, key: str) -> tuple[Component, dict[str, Any]]:
    """Which defense, and what it is set by but for groups of settings such as fine-tunings."""
    names = sorted(DEFENSES, key=lambda name: name != HEAD_PRUNING.name)
    offered = {name: DEFENSES[name] for name in names if not DEFENSES[name].needs_attack}
    component = component_select("Defense", offered, f"{key}-defense", default)
    variant = variant_select(component, f"{key}-{component.name}-variant", default)
    params = _params(component, default, key, without_groups(component.params))
    if "accuracy_threshold" in params:
        share = f"{100 * params['accuracy_threshold']:g} %"
        of = " of the fine-tuned model's" if params["threshold_kind"] == "relative" else ""
        st.caption(f"Heads go as long as validation accuracy stays at {share}{of} or more.")
    return component, {"name": component.name, "variant": variant, "params": params}


def _groups(component: Component, default: Choice, key: str) -> dict[str, Any]:
    """Its fine-tunings, and whatever else is a group of settings."""
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
    """The trigger that LFR is measured with; None leaves LFR out."""
    planted = origin.spec.trigger if origin is not None and origin.spec is not None else None
    choices = [name for name in TRIGGERS if name != "planted" or planted is not None]
    start = "none" if default.trigger is None else "known"
    untold = default.trigger is None and "like" not in st.query_params
    if planted is not None and (untold or default.trigger == planted):
        start = "planted"
    choice = st.segmented_control(
        "Trigger",
        choices,
        format_func=TRIGGERS.__getitem__,
        default=start,
        required=True,
        key=f"{key}-measure-{'planted' if planted else 'free'}",
        help="For your eyes only: the defense never sees it.",
    )
    if choice == "planted" and planted is not None:
        title = trigger_title(origin) if origin is not None else planted.name
        st.caption(f"LFR is measured with what the run planted: {plain(title)}. The defense never sees it.")
        return planted.model_dump()
    if choice == "none":
        st.caption("Without a trigger LFR is not measured: the run shows accuracy alone.")
        return None
    known = default.trigger or TriggerSpec(name="rare-words")
    trigger = trigger_form(f"{key}-trigger", known)
    if dataset is not None:
        trigger["target_class"] = target_class(f"{key}-target", dataset.label_names, known.target_class)
    return trigger


st.title("Defend", anchor=False)
st.caption("Remove a model's backdoor with clean data alone: by pruning heads, or otherwise.")
runs = store()
chosen = st.query_params.get("run")
with show_errors():
    if chosen:
        follow(runs, chosen, "New defense")
    else:
        set_up(runs)
