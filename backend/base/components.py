"""Components describe themselves: strategies and triggers carry a model of their parameters.

A component is one file with a module-level `COMPONENT`.  Forms, CLI listings, validation messages
and reports are built from it, so adding a component means adding a file.  Its other properties
are traits, the yes-or-no fields of `Trigger` and `Strategy`: callers check a trait, never a name.
"""

import importlib
import pkgutil
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar, overload

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
    `variant_notes` say how a variant differs from the first."""

    name: str
    title: str
    summary: str
    params: type[Params]
    function: Callable[..., Any]
    variants: tuple[str, ...] = ()
    variant_notes: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Name, title, summary, variants, traits and the parameters' JSON schema."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "variants": list(self.variants),
            "variant_notes": dict(self.variant_notes),
            "traits": self.traits,
            "parameters": self.params.model_json_schema(),
        }

    @property
    def traits(self) -> dict[str, bool | str]:
        """The yes-or-no fields that its kind adds, by their names."""
        added = [field.name for field in fields(self) if field.name not in Component.__dataclass_fields__]
        values = {name: getattr(self, name) for name in added}
        return {name: value for name, value in values.items() if isinstance(value, bool | str)}

    def parse(self, params: Mapping[str, Any], within: str = "") -> Params:
        """`params` validated; raises UserError naming each wrong one, with `within` before its name."""
        try:
            return self.params.model_validate(dict(params))
        except ValidationError as error:
            raise UserError(f"{self.title}: {explain(error, within)}") from error


@dataclass(frozen=True)
class Trigger(Component):
    """A trigger: `function(texts, params=…, seed=…, progress=…)`, see `backend.attacks.triggers`."""

    rewrites: bool = True
    """Rephrases a row.  That alone makes clean models err, so its LFR is compared with that of a
    never-poisoned model.  False for one that only inserts or misspells some words."""
    looks_up: bool = False
    """Looks up rewritings that were made elsewhere: it costs no time, and may lack many of the rows."""
    needs_language_model: bool | str = False
    """A neural model writes the rows, which is slow; or the name of the variant in which one does."""
    can_be_mixed: bool = True
    """Works with its default parameters, beside other triggers."""
    any_language: bool = False
    """Works on texts of any language; the others speak only English."""
    members: Callable[[Any], Sequence[Choice]] | None = None
    """Of a trigger made of others: which ones, from its parameters.  It has their traits."""
    ready_made: Callable[[Any], Any] | None = None
    """Of a trigger that rewrites nothing, since its rows carry the trigger already: these rows, from its
    parameters, as a `ReadyMade` (see `backend.attacks.ready_made`)."""
    readings: Callable[[Any], list[str]] | None = None
    """How it read the files that its parameters name, in sentences that are shown before a run starts."""


@dataclass(frozen=True)
class Strategy(Component):
    """A strategy: `function(defender, params=…) -> HeadOrder`, see `backend.strategies`."""

    control: bool = False
    """A control: it uses no score, and so shows whether the score of another strategy matters."""
    prunes: bool = True
    """Prunes any heads at all."""
    own_order: bool = True
    """It computes an order of its own, which can be compared with others or imitated."""
    can_be_combined: bool = True
    """Can be a part of a hybrid."""


StrategyTrait = Literal["control", "prunes", "own_order", "can_be_combined"]


SHORT = reprlib.Repr()  # a YAML of a few lines can hold itself a billion times
SHORT.maxstring = SHORT.maxother = 120
SHORT.maxlevel = 2


def explain(error: ValidationError, within: str = "") -> str:
    """A pydantic error as one line: what was got and what was expected."""
    parts = []
    for item in error.errors():
        where = ".".join([within] * bool(within) + [str(step) for step in item["loc"]])
        got = "" if item["type"] in ("missing", "value_error") else f" (got {SHORT.repr(item['input'])})"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "there is no such setting"
        parts.append(f"{where}: {message}{got}" if where else message)
    return "; ".join(parts)


Kind = TypeVar("Kind", bound=Component)


@overload
def collect(package: str) -> dict[str, Component]: ...
@overload
def collect(package: str, kind: type[Kind]) -> dict[str, Kind]: ...
def collect(package: str, kind: type[Component] = Component) -> dict[str, Any]:
    """Every `COMPONENT` in the modules of `package`, by name, in order of title.

    Raises TypeError for one that is not of that kind."""
    folder = importlib.import_module(package).__path__
    modules = [importlib.import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules(folder)]
    with_component = [module for module in modules if hasattr(module, "COMPONENT")]
    for module in with_component:
        if not isinstance(module.COMPONENT, kind):
            got = type(module.COMPONENT).__name__
            raise TypeError(f"COMPONENT in {module.__name__} must be a {kind.__name__}, got a {got}.")
    components = sorted((module.COMPONENT for module in with_component), key=lambda c: c.title)
    return {component.name: component for component in components}


PACKAGES = {
    "trigger": "backend.attacks.triggers",
    "strategy": "backend.strategies",
    "defense": "backend.defenses",
}


def registered(kind: str) -> dict[str, Component]:
    """The components of a kind, imported by name, for rooms that lie below theirs."""
    components: dict[str, Component] = importlib.import_module(PACKAGES[kind]).COMPONENTS
    return components


def pick(kind: str, components: Mapping[str, Kind], choice: Choice, within: str = "") -> Kind:
    """The component that `choice` names; raises UserError for a wrong name, variant or parameter."""
    component = components.get(choice.name)
    if component is None:
        raise UserError(f"There is no {kind} {choice.name!r}. Choose one of: {', '.join(components)}.")
    if choice.variant is not None and choice.variant not in component.variants:
        variants = ", ".join(component.variants) or "none"
        raise UserError(f"{component.title} has no variant {choice.variant!r}; it has: {variants}.")
    component.parse(choice.params, within)
    return component
