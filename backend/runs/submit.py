"""From what was typed to a specification that a worker elsewhere can carry out."""

import copy
from collections.abc import Iterable
from typing import Any

import yaml

from backend.attacks import triggers
from backend.base.components import pick
from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.runs.store import Store
from backend.spec.old_forms import place_of
from backend.spec.parse import parse
from backend.spec.run import RunSpec


def changed(spec: RunSpec, changes: Iterable[str]) -> RunSpec:
    """`spec` with each `dotted.key=value` set, the value read as YAML; raises UserError."""
    settings = copy.deepcopy(spec.model_dump(mode="json"))
    for key, value in parameters(changes, such_as="defense.prune_step=2").items():
        _put(settings, key, value)
    return parse(settings)


def parameters(given: Iterable[str], such_as: str = "style=bible") -> dict[str, Any]:
    """Each `key=value` as a pair, the value read as YAML; raises UserError."""
    values: dict[str, Any] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(f"A setting is KEY=VALUE, such as {such_as}; this is {pair!r}.")
        try:
            values[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
            raise UserError(f"The value of {key} is not readable YAML: {text!r}.") from error
    return values


def _put(settings: dict[str, Any], key: str, value: Any) -> None:
    *way, last = place_of(key.split("."), settings)
    place = settings
    for step in way:
        if place.get(step) is None:
            place[step] = {}
        place = place[step]
        if not isinstance(place, dict):
            raise UserError(f"{key} cannot be set: {step} is a single value.")
    place[last] = value


def seeds_of(seed: int | None, seeds: str | None) -> list[int]:
    """The seeds asked for, none if the specification's own is to be used; raises UserError."""
    if seed is not None and seeds is not None:
        raise UserError("Give --seed or --seeds, not both.")
    if seed is not None:
        return [seed]
    if seeds is None:
        return []
    try:
        return [int(part) for part in seeds.split(",")]
    except ValueError as error:
        raise UserError(
            f"Seeds are whole numbers parted by commas, such as 11,12,13; got {seeds!r}."
        ) from error


def settled(spec: RunSpec, store: Store) -> RunSpec:
    """`spec` with its files by absolute path and an earlier run by its whole id.

    A worker runs in another folder, where a relative path would name something else.  Which of a
    trigger's parameters are paths, its JSON schema says (`"format": "path"`)."""
    spec = spec.model_copy(deep=True)
    if spec.model.source == "folder":
        spec.model.name = _absolute(spec.model.name)
    elif spec.model.source == "run":
        spec.model.name = store.run(spec.model.name).id
    if spec.data.source == "files":
        for name in ("train", "validation", "test"):
            if path := getattr(spec.data, name):
                setattr(spec.data, name, _absolute(path))
    if spec.trigger is not None:
        schema = pick("trigger", triggers.COMPONENTS, spec.trigger).params.model_json_schema()
        for name, value in spec.trigger.params.items():
            if schema["properties"][name].get("format") == "path" and isinstance(value, str) and value:
                spec.trigger.params[name] = _absolute(value)
    return spec


def _absolute(path: str) -> str:
    return str(typed_path(path).absolute())
