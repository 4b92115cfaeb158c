"""Settings laid over a specification, as a command line gives them."""

import copy
from collections.abc import Iterable
from typing import Any

import yaml

from backend.base.components import registered
from backend.base.errors import UserError
from backend.spec.old_forms import place_of
from backend.spec.parse import parse
from backend.spec.run import RunSpec


def changed(spec: RunSpec, changes: Iterable[str]) -> RunSpec:
    """`spec` with each `dotted.key=value` set, the value read as YAML; raises UserError."""
    settings = copy.deepcopy(spec.model_dump(mode="json"))
    for key, value in parameters(changes, such_as="defense.prune_step=2").items():
        _put(settings, key, value)
        if key == "defense.name" and spec.defense is not None and value != spec.defense.name:
            _keep_what_it_has(settings["defense"])
    return parse(settings)


def _keep_what_it_has(defense: dict[str, Any]) -> None:
    """Of the parameters of the defense that was set before, those that the one now named has too."""
    named = registered("defense").get(str(defense["name"]))
    fields = named.params.model_fields if named is not None else {}
    defense["params"] = {name: value for name, value in defense["params"].items() if name in fields}
    defense["variant"] = None


def parameters(pairs: Iterable[str], such_as: str = "style=bible") -> dict[str, Any]:
    """Each `key=value` as a pair, the value read as YAML; raises UserError."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(f"A setting has the form KEY=VALUE, such as {such_as}; got {pair!r}.")
        try:
            values[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:  # an invalid date is a ValueError
            raise UserError(f"The value of {key} is not readable YAML: {text!r}.") from error
    return values


def _put(settings: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = place_of(key.split("."), settings)
    place = settings
    for step in parents:
        if place.get(step) is None:
            place[step] = {}
        place = place[step]
        if not isinstance(place, dict):
            raise UserError(f"{key} cannot be set: {step} is a single value.")
    place[last] = value


def seeds_of(seed: int | None, seeds: str | None) -> list[int]:
    """The given seeds, none to use that of the specification; raises UserError."""
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
            f"Seeds are whole numbers separated by commas, such as 11,12,13; got {seeds!r}."
        ) from error
