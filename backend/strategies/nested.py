"""Strategies as parts of another: which, in which variant, with which parameters."""

import json
from typing import Any

import yaml
from pydantic import model_serializer, model_validator

from backend.base.components import Choice, StrategyTrait, pick
from backend.base.errors import UserError


class Part(Choice):
    """A strategy by its name, `name:variant`, either with parameters behind it as in
    `ensemble:paper {draws: 9}`, or by a mapping of `name`, `variant` and `params`."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, written: Any) -> Any:
        if not isinstance(written, str):
            return written
        label, _, behind = written.strip().partition(" ")
        name, _, variant = label.partition(":")
        try:
            params = yaml.safe_load(behind) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"the parameters of {label} are not readable YAML: {behind!r}") from error
        return {"name": name, "variant": variant or None, "params": params}

    @model_serializer
    def __str__(self) -> str:
        label = f"{self.name}:{self.variant}" if self.variant else self.name
        return f"{label} {json.dumps(self.params, ensure_ascii=False)}" if self.params else label


def known(part: Part, trait: StrategyTrait, verb: str) -> Part:
    """The part, which must be a strategy that has the trait; raises ValueError."""
    from backend.strategies import COMPONENTS

    can = {name: one for name, one in COMPONENTS.items() if getattr(one, trait)}
    if part.name not in can:
        raise ValueError(f"there is no strategy {part.name!r} to {verb}; choose of: {', '.join(can)}")
    try:
        pick("strategy", can, part)
    except UserError as error:
        raise ValueError(str(error)) from error
    return part


def options(trait: StrategyTrait | None = None) -> list[str]:
    """Every strategy (that has the trait), and each of its variants, as a part is written."""
    from backend.strategies import COMPONENTS

    return [
        written
        for one in COMPONENTS.values()
        if trait is None or getattr(one, trait)
        for written in (one.name, *(f"{one.name}:{variant}" for variant in one.variants[1:]))
    ]
