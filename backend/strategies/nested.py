"""Strategies as parts of another: which, in which variant, with which parameters."""

import json
from typing import Any

import yaml
from pydantic import model_serializer, model_validator

from backend.base.components import Choice, StrategyTrait, pick
from backend.base.errors import UserError


class Part(Choice):
    """A strategy by its name, `name:variant`, either followed by parameters as in
    `ensemble:paper {draws: 9}`, or by a mapping of `name`, `variant` and `params`."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        label, _, params_text = value.strip().partition(" ")
        name, _, variant = label.partition(":")
        try:
            params = yaml.safe_load(params_text) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"the parameters of {label} are not readable YAML: {params_text!r}") from error
        return {"name": name, "variant": variant or None, "params": params}

    @model_serializer
    def __str__(self) -> str:
        label = f"{self.name}:{self.variant}" if self.variant else self.name
        return f"{label} {json.dumps(self.params, ensure_ascii=False)}" if self.params else label


def with_trait(part: Part, trait: StrategyTrait, verb: str) -> Part:
    """The part, if it is a strategy with the trait; raises ValueError."""
    from backend.strategies import COMPONENTS

    suitable = {name: strategy for name, strategy in COMPONENTS.items() if getattr(strategy, trait)}
    if part.name not in suitable:
        raise ValueError(
            f"there is no strategy {part.name!r} to {verb}; choose one of: {', '.join(suitable)}"
        )
    try:
        pick("strategy", suitable, part)
    except UserError as error:
        raise ValueError(str(error)) from error
    return part


def options(trait: StrategyTrait | None = None) -> list[str]:
    """Every strategy (with the trait), and each of its variants, in the text form of a part."""
    from backend.strategies import COMPONENTS

    return [
        option
        for strategy in COMPONENTS.values()
        if trait is None or getattr(strategy, trait)
        for option in (strategy.name, *(f"{strategy.name}:{variant}" for variant in strategy.variants[1:]))
    ]
