"""Input widgets built from a pydantic model: one for each field, as the field describes itself.

A field that is a model of its own becomes a group under its title, with a switch where there may be none;
a choice of a component becomes a list of titles with the parameters of the chosen one."""

import csv
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from backend.base.components import Choice, Component, registered
from backend.strategies.nested import Part, options
from pages.parts.common.ui import plain, small


def params_form(
    model: type[BaseModel],
    key: str,
    defaults: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    columns: int = 2,
) -> dict[str, Any]:
    """Widgets for every field of `model` (or those in `only`); their values by field name.

    Choices of components come first, then single values in columns, then groups of settings.  What bounds
    the widgets cannot hold (exclusive ones of floats, validators) is left to the model."""
    fields = model.model_fields
    names = [name for name in (fields if only is None else only) if name in fields]
    given = {name: _default(fields[name]) for name in names} | dict(defaults or {})
    groups = {name: _of_group(model, name) for name in names if _is_group(fields[name])}
    within = {name for members in groups.values() for name in members}
    values: dict[str, Any] = {}
    single = []
    for name in names:
        if _is_choice(fields[name]):
            values[name] = _component(name, fields[name], f"{key}-{name}", given[name])
        elif name not in groups and name not in within:
            single.append(name)
    columns = min(columns, len(single))
    for start in range(0, len(single), columns or 1):
        row = single[start : start + columns]  # by rows, so that narrow screens keep the fields' order
        for place, name in zip(small(columns, f"{key}-{row[0]}"), row, strict=False):
            with place:
                values[name] = field_input(name, fields[name], f"{key}-{name}", given[name])
    for name, members in groups.items():
        values[name] = _group(name, fields[name], f"{key}-{name}", given[name])
        if values[name] is not None:
            values |= params_form(model, key, defaults, members, columns=3)
        else:
            values |= {member: (defaults or {})[member] for member in members if member in (defaults or {})}
    return values


def without_groups(model: type[BaseModel]) -> list[str]:
    """The fields of `model` that stand for themselves: single values, and choices of components."""
    groups = with_groups(model)
    return [name for name in model.model_fields if name not in groups]


def with_groups(model: type[BaseModel]) -> list[str]:
    """The fields of `model` that are groups of settings, and those that belong to one."""
    groups = [name for name, field in model.model_fields.items() if _is_group(field)]
    return groups + [member for name in groups for member in _of_group(model, name)]


def _of_group(model: type[BaseModel], group: str) -> list[str]:
    """The single values that count only where the optional group is given, and are shown with it."""
    return [name for name, field in model.model_fields.items() if extra(field).get("with") == group]


def _is_choice(field: FieldInfo) -> bool:
    return _without_none(field.annotation)[0] is Choice


def _is_group(field: FieldInfo) -> bool:
    kind = _without_none(field.annotation)[0]
    return isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, Choice)


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True)
    return None if default is PydanticUndefined else default


def _group(name: str, field: FieldInfo, key: str, value: Any) -> dict[str, Any] | None:
    """A model inside a model, under its title; None where it is optional and switched off."""
    kind, optional = _without_none(field.annotation)
    if optional:
        if not st.toggle(_label(name, field), value is not None, key=key, help=field.description):
            return None
        if value is None:
            value = (field.examples or [None])[0]
    else:
        st.markdown(f"**{plain(_label(name, field))}**", help=field.description)
    settings = value.model_dump() if isinstance(value, BaseModel) else value
    return params_form(kind, key, settings, columns=4)


def _component(name: str, field: FieldInfo, key: str, value: Any) -> dict[str, Any]:
    """A component of the kind that the field's `format` names, with its variant and parameters."""
    chosen = None if value is None else Choice.model_validate(value)
    components = registered(str(extra(field).get("format")))
    component = component_select(_label(name, field), components, key, chosen)
    variant = variant_select(component, f"{key}-{component.name}-variant", chosen)
    values = chosen.params if chosen and chosen.name == component.name else {}
    params = params_form(component.params, f"{key}-{component.name}", values)
    return {"name": component.name, "variant": variant, "params": params}


def component_select(
    label: str, components: Mapping[str, Component], key: str, value: Choice | None
) -> Component:
    """A component by its title, with what it does below."""
    names = list(components)
    index = names.index(value.name) if value and value.name in names else 0
    name = st.selectbox(label, names, index, format_func=lambda name: components[name].title, key=key)
    st.caption(plain(components[name].summary))
    return components[name]


def variant_select(component: Component, key: str, value: Choice | None) -> str | None:
    """Which variant of a component that has several; None where there is no choice."""
    if len(component.variants) < 2:
        return None
    variants = list(component.variants)
    index = variants.index(value.variant) if value and value.variant in variants else 0
    chosen = st.selectbox("Variant", variants, index, str.capitalize, key=key)
    if note := component.variant_notes.get(chosen):
        st.caption(plain(note))
    return chosen


def _label(name: str, field: FieldInfo) -> str:
    return field.title or name.replace("_", " ").capitalize()


def field_input(name: str, field: FieldInfo, key: str, value: Any) -> Any:
    """The widget of one field that is a single value."""
    label = _label(name, field)
    kind, optional = _without_none(field.annotation)
    help_text = field.description
    if extra(field).get("format") == "strategy":
        return _strategies(label, field, kind, key, value)
    if get_origin(kind) is Literal or (kind is bool and optional):
        options = [True, False] if kind is bool else list(get_args(kind))
        options = [None, *options] if optional else options
        index = options.index(value) if value in options else 0
        return st.selectbox(label, options, index, format_func=readable, key=key, help=help_text)
    if kind is bool:
        return st.toggle(label, bool(value), key=key, help=help_text)
    if kind is int or kind is float:
        return _number(label, field, kind, optional, key, value)
    if get_origin(kind) in (tuple, list, Sequence):
        text = st.text_input(label, _joined(value or ()), key=key, help=_listed(help_text))
        return _separated(text)
    said = "" if value is None else str(value)
    if extra(field).get("format") == "multiline":
        return st.text_area(label, said, key=key, help=help_text)
    text = st.text_input(label, said, key=key, help=help_text).strip()
    return None if optional and not text else text


def _strategies(label: str, field: FieldInfo, kind: Any, key: str, value: Any) -> Any:
    """One strategy, or several in order: listed with their variants, or typed with parameters."""
    several = get_origin(kind) is tuple
    given = [str(Part.model_validate(one)) for one in (value if several else [value])]
    known = list(dict.fromkeys([*options(extra(field).get("trait")), *given]))
    named: dict[str, Any] = {"key": key, "accept_new_options": True, "help": field.description}
    if several:
        return st.multiselect(label, known, given, **named)
    return st.selectbox(label, known, known.index(given[0]), **named)


def extra(field: FieldInfo) -> dict[str, Any]:
    """What a field says to forms alone: `format` (path, multiline, strategy), the `trait` that a
    strategy needs, the `variant` it is for, the optional field that it goes `with`."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def readable(option: Any) -> str:
    """`attention-normalisation` as `Attention normalisation`; True and False as yes and no."""
    if option is None or isinstance(option, bool):
        return {None: "Automatic", True: "Yes", False: "No"}[option]
    text = str(option).replace("-", " ").replace("_", " ")
    return text[:1].upper() + text[1:]


def _number(
    label: str, field: FieldInfo, kind: type, optional: bool, key: str, value: Any
) -> int | float | None:
    low, high = _bounds(field, kind)
    number = None if value is None else kind(value)
    return st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=number if number is not None or optional else "min",
        step=1 if kind is int else _step(number),
        format="%d" if kind is int else _format(number),
        key=key,
        help=field.description,
        placeholder="all" if optional else None,
    )


def _bounds(field: FieldInfo, kind: type) -> tuple[Any, Any]:
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = kind(rule.ge)
        elif isinstance(rule, Gt):
            low = kind(rule.gt) + (1 if kind is int else 0)
        elif isinstance(rule, Le):
            high = kind(rule.le)
        elif isinstance(rule, Lt):
            high = kind(rule.lt) - (1 if kind is int else 0)
    return low, high


def _format(value: float | None) -> str:
    """Learning rates such as 2e-5 would read as zero in fixed digits."""
    return "%.1e" if value and abs(value) < 1e-3 else "%g"


def _step(value: float | None) -> float:
    if value and abs(value) < 1e-3:
        return 10 ** float(f"{value:e}".split("e")[1])
    return 0.05 if value is None or abs(value) <= 1 else 0.5


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0], len(kinds) < len(get_args(annotation))
    return annotation, False


def _joined(parts: Sequence[object]) -> str:
    """Separated by commas; a part with a comma or a quote in it stands in quotes."""
    doubled = [str(part).replace('"', '""') for part in parts]
    return ", ".join(f'"{part}"' if {",", '"'} & set(part) else part for part in doubled)


def _separated(text: str) -> list[str]:
    parts = next(csv.reader([text], skipinitialspace=True), [])
    return [part.strip() for part in parts if part.strip()]


def _listed(help_text: str | None) -> str:
    return f"{help_text or ''} Separate several with commas.".strip()
