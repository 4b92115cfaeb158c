"""Builds a study from chosen parts: every combination gets a name and only the settings that differ."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from backend import defenses, strategies
from backend.attacks import triggers
from backend.base.components import Choice, Component
from backend.spec.run import AttackSpec, DataSpec, ModelSpec, TriggerSpec

Settings = dict[str, Any]


@dataclass(frozen=True)
class Victims:
    """Every trigger planted at every poison rate in one model with one data set."""

    model: ModelSpec
    data: DataSpec
    triggers: Sequence[TriggerSpec]
    rates: Sequence[float]


def composed(
    name: str,
    victims: Sequence[Victims],
    defenses: Settings,
    attack: AttackSpec,
    defense: BaseModel,
    seeds: Sequence[int],
) -> Settings:
    """A study's settings without defaults; `attack` and `defense` (the parameters of defenses) are shared by
    all runs."""
    named = victims_of(victims)
    base: Settings = {"attack": written(attack), "defense": written(defense)}
    for part in ("data", "model"):
        settings = [victim[part] for victim in named.values()]
        if settings and all(each == settings[0] for each in settings):
            base = {part: settings[0]} | base
    own_settings = {
        title: {part: settings for part, settings in victim.items() if settings and part not in base}
        | {"attack": victim["attack"]}
        for title, victim in named.items()
    }
    return {
        "name": name,
        "base": {part: settings for part, settings in base.items() if settings},
        "victims": own_settings,
        "defenses": defenses,
        "seeds": list(seeds),
    }


def victims_of(victims: Sequence[Victims]) -> dict[str, Settings]:
    """Each victim's settings by a name that tells how it differs from the others."""
    models, data = (
        {_short_name(group.model) for group in victims},
        {_short_name(group.data) for group in victims},
    )
    rates = {rate for group in victims for rate in group.rates}
    named: dict[str, Settings] = {}
    for group in victims:
        where = [_short_name(group.data)] if len(data) > 1 else []
        where += [_short_name(group.model)] if len(models) > 1 else []
        for trigger in group.triggers:
            for rate in group.rates:
                planted = [title_of(triggers.COMPONENTS, trigger)]
                planted += [f"{100 * rate:g}% poisoned"] if len(rates) > 1 else []
                named[_unused_name(", ".join([*where, *planted]), named)] = {
                    "model": written(group.model),
                    "data": written(group.data),
                    "trigger": {"name": trigger.name, "target_class": trigger.target_class}
                    | beside(triggers.COMPONENTS, trigger),
                    "attack": {"poison_rate": rate},
                }
    return named


def defenses_of(
    others: Sequence[Choice], chosen: Sequence[Choice], thresholds: Sequence[float], steps: Sequence[int]
) -> Settings:
    """Other defenses by name, and every strategy at every τ and step size; where there is only one of these,
    it belongs to the shared settings."""
    components = defenses.COMPONENTS
    named: Settings = {
        title_of(components, other): {"name": other.name} | beside(components, other) for other in others
    }
    for choice in chosen:
        for threshold in thresholds:
            for step in steps:
                title = [title_of(strategies.COMPONENTS, choice)]
                settings: Settings = {"strategy": choice.name} | beside(strategies.COMPONENTS, choice)
                if len(thresholds) > 1:
                    title.append(f"τ = {threshold:g}")
                    settings["accuracy_threshold"] = threshold
                if len(steps) > 1:
                    title.append(f"s = {step}")
                    settings["prune_step"] = step
                named[_unused_name(", ".join(title), named)] = settings
    return named


def title_of(components: Mapping[str, Component], choice: Choice) -> str:
    """The component's title, with its variant and those parameters that were set and are short."""
    settings = beside(components, choice)
    details = [settings["variant"]] if "variant" in settings else []
    for name, value in settings.get("params", {}).items():
        if isinstance(value, str | int | float) and len(str(value)) <= 20:
            details.append(f"{name.replace('_', ' ')} {value}")
    title = components[choice.name].title
    return f"{title}, {', '.join(details)}" if details else title


def beside(components: Mapping[str, Component], choice: Choice) -> Settings:
    """A choice's variant and parameters, where they are not the defaults.  Raises UserError."""
    component = components[choice.name]
    values = component.parse(choice.params)
    params = {name: choice.params[name] for name in choice.params if name in written(values)}
    settings: Settings = {"params": params} if params else {}
    if choice.variant not in (None, *component.variants[:1]):
        settings["variant"] = choice.variant
    return settings


def written(part: BaseModel) -> Settings:
    """A part of a specification as plain data, without defaults."""
    return part.model_dump(mode="json", exclude_defaults=True)


def _short_name(part: ModelSpec | DataSpec) -> str:
    """A short name of a model or a data set."""
    if isinstance(part, DataSpec) and part.source == "files":
        return Path(part.train).stem
    if part.source == "embedded":
        built_in = "MiniLM-L6" if isinstance(part, ModelSpec) else "Movie reviews"
        return part.name.replace("-", " ").capitalize() or built_in
    return Path(part.name).name if part.source == "folder" else part.name


def _unused_name(title: str, taken: Collection[str]) -> str:
    """The title, with a number if it is taken."""
    number, name = 1, title
    while name in taken:
        number += 1
        name = f"{title} ({number})"
    return name
