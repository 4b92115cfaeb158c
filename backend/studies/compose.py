"""A study put together of parts: every combination gets a name, and settings as a person would write them."""

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
    """Every trigger planted at every rate in one model with one data set."""

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
    """A study's settings, without what is left at its default; `attack` and `defense`, the parameters of its
    defenses, are shared by all."""
    named = victims_of(victims)
    base: Settings = {"attack": written(attack), "defense": written(defense)}
    for part in ("data", "model"):
        settings = [one[part] for one in named.values()]
        if settings and all(one == settings[0] for one in settings):
            base = {part: settings[0]} | base
    of_their_own = {
        title: {part: settings for part, settings in one.items() if settings and part not in base}
        | {"attack": one["attack"]}
        for title, one in named.items()
    }
    return {
        "name": name,
        "base": {part: settings for part, settings in base.items() if settings},
        "victims": of_their_own,
        "defenses": defenses,
        "seeds": list(seeds),
    }


def victims_of(victims: Sequence[Victims]) -> dict[str, Settings]:
    """Each victim's settings by a name that says in what it differs from the others."""
    models, data = {_place(one.model) for one in victims}, {_place(one.data) for one in victims}
    rates = {rate for one in victims for rate in one.rates}
    found: dict[str, Settings] = {}
    for one in victims:
        where = [_place(one.data)] if len(data) > 1 else []
        where += [_place(one.model)] if len(models) > 1 else []
        for trigger in one.triggers:
            for rate in one.rates:
                planted = [title_of(triggers.COMPONENTS, trigger)]
                planted += [f"{100 * rate:g}% poisoned"] if len(rates) > 1 else []
                found[_fresh(", ".join([*where, *planted]), found)] = {
                    "model": written(one.model),
                    "data": written(one.data),
                    "trigger": {"name": trigger.name, "target_class": trigger.target_class}
                    | beside(triggers.COMPONENTS, trigger),
                    "attack": {"poison_rate": rate},
                }
    return found


def defenses_of(
    others: Sequence[Choice], chosen: Sequence[Choice], thresholds: Sequence[float], steps: Sequence[int]
) -> Settings:
    """Other defenses by name, and every strategy at every τ and step size, which are left to what all runs
    share where there is but one."""
    known = defenses.COMPONENTS
    found: Settings = {title_of(known, one): {"name": one.name} | beside(known, one) for one in others}
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
                found[_fresh(", ".join(title), found)] = settings
    return found


def title_of(components: Mapping[str, Component], choice: Choice) -> str:
    """The component's title, with its variant and the short ones of the parameters that were set."""
    settings = beside(components, choice)
    said = [settings["variant"]] if "variant" in settings else []
    for name, value in settings.get("params", {}).items():
        if isinstance(value, str | int | float) and len(str(value)) <= 20:
            said.append(f"{name.replace('_', ' ')} {value}")
    title = components[choice.name].title
    return f"{title}, {', '.join(said)}" if said else title


def beside(components: Mapping[str, Component], choice: Choice) -> Settings:
    """A choice's variant and parameters, where they are not the defaults.  Raises UserError."""
    known = components[choice.name]
    values = known.parse(choice.params)
    params = {name: choice.params[name] for name in choice.params if name in written(values)}
    settings: Settings = {"params": params} if params else {}
    if choice.variant not in (None, *known.variants[:1]):
        settings["variant"] = choice.variant
    return settings


def written(part: BaseModel) -> Settings:
    """A specification's part as plain data, without what is at its default."""
    return part.model_dump(mode="json", exclude_defaults=True)


def _place(part: ModelSpec | DataSpec) -> str:
    """A model or a data set in a few words."""
    if isinstance(part, DataSpec) and part.source == "files":
        return Path(part.train).stem
    if part.source == "embedded":
        built_in = "MiniLM-L6" if isinstance(part, ModelSpec) else "Movie reviews"
        return part.name.replace("-", " ").capitalize() or built_in
    return Path(part.name).name if part.source == "folder" else part.name


def _fresh(title: str, taken: Collection[str]) -> str:
    """The title, numbered if there is one of that name."""
    number, name = 1, title
    while name in taken:
        number += 1
        name = f"{title} ({number})"
    return name
