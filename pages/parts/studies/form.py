"""A study built on the page: victims, defenses, what all runs share, seeds."""

from math import isfinite
from typing import Any

import streamlit as st

from backend import defenses, strategies
from backend.attacks import triggers
from backend.base.components import Choice
from backend.base.errors import UserError
from backend.spec.presets import DEMO, head_pruning
from backend.spec.run import AttackSpec, ModelSpec, TrainingSpec, TriggerSpec
from backend.strategies.nested import Part, options
from backend.studies.compose import Victims, composed, defenses_of, title_of
from pages.parts.common.forms import params_form, variant_select
from pages.parts.common.ui import wide
from pages.parts.runs.actions import parse_seeds
from pages.parts.spec.spec_form import (
    data_form,
    loaded,
    model_form,
    target_class,
    training_form,
    trigger_settings,
    valid,
)

MOST_SETS = 6
HEAD_PRUNING = head_pruning().name
BESIDE = [name for name, defense in defenses.COMPONENTS.items() if defense.never_poisoned or defense.control]
"""Chosen at first, to compare every strategy with."""
PRUNING = defenses.COMPONENTS[HEAD_PRUNING].params
"""The parameters of head pruning, which other defenses share."""
FALLBACK = PRUNING.model_validate((DEMO.defense or head_pruning()).params)
ATTACK = DEMO.attack or AttackSpec()


def study_form() -> dict[str, Any] | None:
    """The settings of a study; None, with the reason on the page, until it is complete.  Raises UserError."""
    with st.container(border=True):
        st.markdown("**1 · Victims**: every trigger at every poison rate")
        victims = _victims()
    left, right = wide(2, "study-form")
    with left.container(border=True, height="stretch"):
        st.markdown(
            "**2 · Defenses**: every strategy at every τ and step size, and others (PURE only at the first)"
        )
        grid, rule = _defenses()
    with right.container(border=True, height="stretch"):
        st.markdown("**3 · Seeds, and what all runs share**")
        name = st.text_input("Name", "My study", max_chars=100, key="study-form-name").strip()
        seeds = parse_seeds(st.text_input("Seeds", "11", key="study-form-seeds", help="Such as 11, 12, 13."))
        attack, training = _training()
    if victims is None:
        return None
    if not grid:
        st.caption("Choose at least one defense to go on.")
        return None
    defense = valid(PRUNING, FALLBACK.model_dump() | rule | training, "Defense")
    return composed(name or "My study", victims, grid, attack, defense, seeds)


def _victims() -> list[Victims] | None:
    count = st.number_input(
        "Models and data sets",
        1,
        MOST_SETS,
        key="study-form-sets",
        help="Each has its own triggers and rates. Add one for a second model, a second data set, or "
        "the same trigger with other parameters.",
        width=220,
    )
    if count == 1:
        one = _set("study-form-0")
        return None if one is None else [one]
    victims = []
    for number, tab in enumerate(st.tabs([f"Model and data {number + 1}" for number in range(count)])):
        with tab:
            victims.append(_set(f"study-form-{number}"))
    return None if None in victims else [one for one in victims if one is not None]


def _set(key: str) -> Victims | None:
    """A model, a data set, triggers and rates; None while something is missing."""
    left, right = wide(2, key)
    with left:
        settings = model_form(f"{key}-model", DEMO.model)
        data = loaded(data_form(f"{key}-data", DEMO.data))
    with right:
        names = st.multiselect(
            "Triggers",
            list(triggers.COMPONENTS),
            ["rare-words"],
            format_func=lambda name: triggers.COMPONENTS[name].title,
            key=f"{key}-triggers",
        )
        target = target_class(f"{key}-target", data[1].label_names, None) if data else 1
        chosen = [_trigger(key, name, target) for name in names]
        rates = numbers("Poison rates", "0.3", f"{key}-rates", "Shares of the non-target rows: 0.1, 0.3.")
    if data is None or not chosen or (settings["source"] != "embedded" and not settings["name"]):
        st.caption("Choose a model, clean data and at least one trigger to go on.")
        return None
    for rate in rates:
        valid(AttackSpec, {"poison_rate": rate}, "Poison rates")
    return Victims(valid(ModelSpec, settings, "Model"), data[0], chosen, rates)


def _trigger(key: str, name: str, target: str | int) -> TriggerSpec:
    component = triggers.COMPONENTS[name]
    with st.expander(f"{component.title}: parameters", icon=":material/tune:"):
        settings = trigger_settings(component, f"{key}-trigger", None)
    return TriggerSpec(**settings, target_class=target)


def _defenses() -> tuple[dict[str, Any], dict[str, Any]]:
    """The defenses by name, and the τ and step size that all runs share."""
    written = st.multiselect(
        "Strategies",
        options(),
        ["gradient"],
        format_func=lambda one: title_of(strategies.COMPONENTS, Part.model_validate(one)),
        key="study-form-strategies",
    )
    chosen = [_strategy(Part.model_validate(one)) for one in written]
    others = st.multiselect(
        "Baselines and controls",
        [name for name in defenses.COMPONENTS if name != HEAD_PRUNING],
        BESIDE,
        format_func=lambda name: defenses.COMPONENTS[name].title,
        key="study-form-baselines",
    )
    baselines = [_other(name) for name in others]
    rule = params_form(PRUNING, "study-form-rule", FALLBACK.model_dump(), ["threshold_kind"])
    left, right = st.columns(2)
    with left:
        thresholds = numbers("Accuracy thresholds τ", "0.95", "study-form-tau", "One or more: 0.9, 0.95.")
    with right:
        steps = numbers("Heads per step s", "4", "study-form-step", "One or more: 1, 4.")
    if any(step != int(step) for step in steps):
        raise UserError("Heads per step s: whole numbers such as 1, 4.")
    for value in thresholds:
        valid(PRUNING, {"accuracy_threshold": value}, "Accuracy thresholds τ")
    rule |= {"accuracy_threshold": thresholds[0], "prune_step": int(steps[0])}
    return defenses_of(baselines, chosen, thresholds, [int(step) for step in steps]), rule


def _strategy(part: Choice) -> Choice:
    """The strategy with the parameters that are chosen for it."""
    component = strategies.COMPONENTS[part.name]
    if not component.params.model_fields:
        return part
    title = title_of(strategies.COMPONENTS, part)
    with st.expander(f"{title}: parameters", icon=":material/tune:"):
        params = params_form(component.params, f"study-form-{part}")
    return Choice(name=part.name, variant=part.variant, params=params)


def _other(name: str) -> Choice:
    """Another defense with its own parameters; settings that head pruning has too are shared by all."""
    component = defenses.COMPONENTS[name]
    own = [one for one in component.params.model_fields if one not in PRUNING.model_fields]
    variants = len(component.variants) > 1
    if not own and not variants:
        return Choice(name=name)
    key = f"study-form-other-{name}"
    with st.expander(f"{component.title}: parameters", icon=":material/tune:"):
        variant = variant_select(component, f"{key}-variant", None)
        return Choice(name=name, variant=variant, params=params_form(component.params, key, only=own))


def _training() -> tuple[AttackSpec, dict[str, Any]]:
    """All training settings: of the attack, and of the defense."""
    with st.expander("Training, and the defender's rows", icon=":material/tune:"):
        st.markdown("**Planting**")
        attack = params_form(AttackSpec, "study-form-attack", ATTACK.model_dump(), ["planting"])
        attack["training"] = training_form("study-form-planting", ATTACK.training)
        st.markdown("**First fine-tuning**")
        settings: dict[str, Any] = {
            "fine_tune": training_form("study-form-fine-tune", DEMO.setting("fine_tune"))
        }
        st.markdown("**Second fine-tuning**")
        refine = DEMO.setting("refine") or TrainingSpec()
        settings["refine"] = training_form("study-form-refine", refine)
        names = ["refine_from", "regulariser", "regulariser_weight", "train_rows", "curve_rows"]
        settings |= params_form(PRUNING, "study-form-after", FALLBACK.model_dump(), names, columns=3)
    return valid(AttackSpec, attack, "Planting"), settings


def numbers(label: str, value: str, key: str, help_text: str) -> list[float]:
    """Numbers separated by commas, each once; raises UserError."""
    text = st.text_input(label, value, key=key, help=help_text)
    try:
        values = [float(part) for part in text.replace(";", ",").split(",") if part.strip()]
        if not all(map(isfinite, values)):
            raise ValueError("not a finite number")
    except ValueError as error:
        raise UserError(
            f"{label}: numbers separated by commas, such as {value}; this is {text!r}."
        ) from error
    if not values:
        raise UserError(f"{label}: give at least one number, such as {value}.")
    return list(dict.fromkeys(values))
