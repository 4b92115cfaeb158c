"""Input widgets built from a pydantic model: one for each field, as the field describes itself."""

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from backend.strategies.nested import Part, options
from pages.parts.common.ui import small


def params_form(
    model: type[BaseModel],
    key: str,
    defaults: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    columns: int = 2,
) -> dict[str, Any]:
    """A widget for every field of `model` (or those in `only`); their values by field name.

    What bounds the widgets cannot hold (exclusive ones of floats, validators) is left to the model."""
    names = [name for name in (only or model.model_fields) if name in model.model_fields]
    if not names:
        return {}
    places = small(min(columns, len(names)), key + "-" + names[0])
    values = {}
    for number, name in enumerate(names):
        field = model.model_fields[name]
        default = field.get_default(call_default_factory=True)
        if default is PydanticUndefined:
            default = None
        value = (defaults or {}).get(name, default)
        with places[number % len(places)]:
            values[name] = field_input(name, field, f"{key}-{name}", value)
    return values


def field_input(name: str, field: FieldInfo, key: str, value: Any) -> Any:
    """The widget of one field."""
    label = field.title or name.replace("_", " ").capitalize()
    kind, optional = _without_none(field.annotation)
    help_text = field.description
    if extra(field).get("format") == "strategy":
        return _strategies(label, field, kind, key, value)
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        index = options.index(value) if value in options else 0
        return st.selectbox(label, options, index, format_func=readable, key=key, help=help_text)
    if kind is bool:
        return st.toggle(label, bool(value), key=key, help=help_text)
    if kind is int or kind is float:
        return _number(label, field, kind, optional, key, value)
    if get_origin(kind) in (tuple, list, Sequence):
        text = st.text_input(label, ", ".join(map(str, value or ())), key=key, help=_listed(help_text))
        return [part.strip() for part in text.split(",") if part.strip()]
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
    strategy needs, the `variant` it is for."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def readable(option: Any) -> str:
    """`attention-normalisation` as `Attention normalisation`."""
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


def _listed(help_text: str | None) -> str:
    return f"{help_text or ''} Separate several with commas.".strip()
