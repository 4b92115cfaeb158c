"""Components describe themselves: strategies and triggers carry a model of their parameters.

A component is one file with a module-level `COMPONENT`.  Forms, CLI listings, validation messages
and reports are built from it, so that to add a component is to add a file.  What it is beyond its
parameters it says in traits, the yes-or-no fields of `Trigger` and `Strategy`: callers ask a trait,
never a name.
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
    `variant_notes` say what a variant does otherwise than the first."""

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
        """What the component says of itself, by the names of the fields that its kind adds."""
        added = [one.name for one in fields(self) if one.name not in Component.__dataclass_fields__]
        said = {name: getattr(self, name) for name in added}
        return {name: value for name, value in said.items() if isinstance(value, bool | str)}

    def parse(self, params: Mapping[str, Any], within: str = "") -> Params:
        """`params` validated; raises UserError naming each wrong one, as a part of what lies `within`."""
        try:
            return self.params.model_validate(dict(params))
        except ValidationError as error:
            raise UserError(f"{self.title}: {explain(error, within)}") from error


@dataclass(frozen=True)
class Trigger(Component):
    """A trigger: `function(texts, params=…, seed=…, progress=…)`, see `backend.attacks.triggers`."""

    rewrites: bool = True
    """Says a row in other words.  That alone makes clean models err, so an LFR is judged beside that of
    a never-poisoned model.  False for one that leaves the row's words, but for some put in or misspelt."""
    looks_up: bool = False
    """Finds rewritings that were made before: it costs nothing, and may know few of the rows."""
    needs_language_model: bool | str = False
    """A neural model writes the rows, which takes its time; or the variant in which one does."""
    can_be_mixed: bool = True
    """Works with its default parameters, beside other triggers."""
    members: Callable[[Any], Sequence[Choice]] | None = None
    """Of a trigger made of others: which ones, by its parameters.  What they do, it does."""


@dataclass(frozen=True)
class Strategy(Component):
    """A strategy: `function(defender, params=…) -> HeadOrder`, see `backend.strategies`."""

    control: bool = False
    """Looks at no score, and says whether another strategy's score matters."""
    prunes: bool = True
    """Takes heads away at all."""
    own_order: bool = True
    """Its order of heads is its own, so that it can be shown beside others' or imitated."""
    can_be_combined: bool = True
    """Can be a part of a hybrid."""


StrategyTrait = Literal["control", "prunes", "own_order", "can_be_combined"]


SHORT = reprlib.Repr()  # a YAML of a few lines can hold itself a billion times
SHORT.maxstring = SHORT.maxother = 120
SHORT.maxlevel = 2


def explain(error: ValidationError, within: str = "") -> str:
    """A pydantic error as one line: what was got, what was expected."""
    parts = []
    for item in error.errors():
        where = ".".join([within] * bool(within) + [str(step) for step in item["loc"]])
        got = "" if item["type"] in ("missing", "value_error") else f" (got {SHORT.repr(item['input'])})"
        message = item["msg"].removeprefix("Value error, ")
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
    found = [module for module in modules if hasattr(module, "COMPONENT")]
    for module in found:
        if not isinstance(module.COMPONENT, kind):
            got = type(module.COMPONENT).__name__
            raise TypeError(f"COMPONENT in {module.__name__} must be a {kind.__name__}, got a {got}.")
    components = sorted((module.COMPONENT for module in found), key=lambda c: c.title)
    return {component.name: component for component in components}


PACKAGES = {
    "trigger": "backend.attacks.triggers",
    "strategy": "backend.strategies",
    "defense": "backend.defenses",
}


def registered(kind: str) -> dict[str, Component]:
    """The components of a kind, for rooms below theirs: the one import by name."""
    components: dict[str, Component] = importlib.import_module(PACKAGES[kind]).COMPONENTS
    return components


def pick(kind: str, components: Mapping[str, Kind], choice: Choice, within: str = "") -> Kind:
    """The component that `choice` names; raises UserError if there is none or its choice is wrong."""
    component = components.get(choice.name)
    if component is None:
        raise UserError(f"There is no {kind} {choice.name!r}. Choose one of: {', '.join(components)}.")
    if choice.variant is not None and choice.variant not in component.variants:
        has = ", ".join(component.variants) or "none"
        raise UserError(f"{component.title} has no variant {choice.variant!r}; it has: {has}.")
    component.parse(choice.params, within)
    return component
