"""Components describe themselves: strategies and triggers carry a model of their parameters.

A component is one file with a module-level `COMPONENT`.  Forms, CLI listings, validation messages
and reports are built from it, so that to add a component is to add a file.
"""

import importlib
import pkgutil
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.base.errors import UserError


class Params(BaseModel):
    """Base of every parameter model: unknown names are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choice(BaseModel):
    """A component by name, its variant and its parameters, as a specification stores them."""

    model_config = ConfigDict(extra="forbid")

    name: str
    variant: str | None = Field(None, description="A named variant; the component's first if absent.")
    params: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A named, self-describing function.

    `function` takes `params=` (an instance of `Params`) beside what its kind is called with.
    `variant_notes` say what a variant does otherwise than the first."""

    name: str
    title: str
    summary: str
    params: type[Params]
    function: Callable[..., Any]
    variants: tuple[str, ...] = ()
    variant_notes: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Name, title, summary, variants and the parameters' JSON schema."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "variants": list(self.variants),
            "variant_notes": dict(self.variant_notes),
            "parameters": self.params.model_json_schema(),
        }

    def parse(self, params: Mapping[str, Any]) -> Params:
        """`params` validated; raises UserError naming each wrong one."""
        try:
            return self.params.model_validate(dict(params))
        except ValidationError as error:
            raise UserError(f"{self.title}: {explain(error)}") from error


SHORT = reprlib.Repr()  # a YAML of a few lines can hold itself a billion times
SHORT.maxstring = SHORT.maxother = 120
SHORT.maxlevel = 2


def explain(error: ValidationError) -> str:
    """A pydantic error as one line: what was got, what was expected."""
    parts = []
    for item in error.errors():
        where = ".".join(str(step) for step in item["loc"])
        got = "" if item["type"] in ("missing", "value_error") else f" (got {SHORT.repr(item['input'])})"
        message = item["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {message}{got}" if where else message)
    return "; ".join(parts)


def collect(package: str) -> dict[str, Component]:
    """Every `COMPONENT` in the modules of `package`, by name, in order of title."""
    folder = importlib.import_module(package).__path__
    modules = [importlib.import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules(folder)]
    found = [module.COMPONENT for module in modules if hasattr(module, "COMPONENT")]
    return {component.name: component for component in sorted(found, key=lambda c: c.title)}


def pick(kind: str, components: Mapping[str, Component], choice: Choice) -> Component:
    """The component that `choice` names; raises UserError if there is none or its choice is wrong."""
    component = components.get(choice.name)
    if component is None:
        raise UserError(f"There is no {kind} {choice.name!r}. Choose one of: {', '.join(components)}.")
    if choice.variant is not None and choice.variant not in component.variants:
        has = ", ".join(component.variants) or "none"
        raise UserError(f"{component.title} has no variant {choice.variant!r}; it has: {has}.")
    component.parse(choice.params)
    return component
