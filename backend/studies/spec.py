"""The specification of a study: victims × defenses × seeds, and the runs that it expands to."""

import copy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend import defenses
from backend.attacks import triggers
from backend.base.components import Choice, explain, pick
from backend.base.errors import UserError
from backend.base.files import hashes_at
from backend.base.paths import typed_path
from backend.spec.old_forms import baseline_of, defense_of
from backend.spec.parse import parse
from backend.spec.run import RunSpec

MOST_RUNS = 1000
DEFENSE = "defense"
NAMING = {"name", "source"}
OF_THE_NAMED = {
    *("name", "variant", "params", "edits"),
    *("train", "validation", "test", "text", "second_text", "label", "random_weights"),
}
"""Settings that belong to one component, or to one source of rows or weights."""
OWN = {"name": "the study names its runs", "seed": "give `seeds`", "share": "runs of a study always share"}
"""Settings of a run that a study sets by itself, and what to do instead."""


class StudySpec(BaseModel):
    """`base` are settings that all runs share, its `defense` the parameters that defenses share.  A victim is
    settings laid over them; a defense is a choice of name and parameters, or a `strategy` of head pruning
    with its `variant` and `params` and settings of its search beside it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, title="Name")
    question: str = Field(
        "", max_length=500, title="Question", description="The question that the study answers."
    )
    base: dict[str, Any] = Field({}, title="Shared settings")
    victims: dict[str, dict[str, Any]] = Field(min_length=1, title="Victims")
    defenses: dict[str, dict[str, Any]] = Field(min_length=1, title="Defenses")
    seeds: list[int] = Field([11], min_length=1, title="Seeds")


Place = tuple[str, str, int]
"""Victim, defense and seed: the place of a run in the grid."""


@dataclass(frozen=True)
class Cell:
    """One run of a study."""

    victim: str
    defense: str
    seed: int
    spec: RunSpec

    @property
    def place(self) -> Place:
        return self.victim, self.defense, self.seed


def cells(study: StudySpec) -> list[Cell]:
    """Every run of the grid, victim by victim and seed by seed, so that runs with shared stages are adjacent.

    Raises UserError for a grid that is too large, and naming the first cell that is not valid."""
    size = len(study.victims) * len(study.defenses) * len(set(study.seeds))
    if size > MOST_RUNS:
        raise UserError(
            f"The study has {len(study.victims)} victims × {len(study.defenses)} defenses × "
            f"{len(set(study.seeds))} seeds = {size:,} runs; at most {MOST_RUNS:,} are allowed. "
            "Split it."
        )
    return [Cell(*place, _spec(study, *place)) for place in places(study)]


def places(study: StudySpec) -> list[Place]:
    """The places of the grid in the order of `cells`."""
    return [
        (victim, defense, seed)
        for victim in study.victims
        for seed in dict.fromkeys(study.seeds)
        for defense in study.defenses
    ]


def _spec(study: StudySpec, victim: str, defense: str, seed: int) -> RunSpec:
    name = f"{study.name}: {victim} · {defense}, seed {seed}"[:200]
    own = {"name": name, "seed": seed, "share": True}
    settings = laid_over(laid_over(study.base, study.victims[victim]), own)
    try:
        shared = settings.get(DEFENSE)
        if not isinstance(shared or {}, dict):
            parse(settings)  # says what is wrong with it
        return parse(settings | {DEFENSE: _defense(shared or {}, study.defenses[defense])})
    except UserError as error:
        raise UserError(f"Study {study.name!r}, victim {victim!r}, defense {defense!r}: {error}") from error


def _defense(shared: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A defense of the grid: its own parameters over the shared ones that it has."""
    parameters = _shared(shared)
    choice = _choice(given, parameters)
    fields = pick("defense", defenses.COMPONENTS, choice).params.model_fields
    below = {name: value for name, value in parameters.items() if name in fields}
    if "strategy" in choice.params:  # the shared strategy's parameters are not for this one
        below.pop("strategy", None)
    return choice.model_dump() | {"params": laid_over(below, choice.params)}


def _shared(settings: dict[str, Any]) -> dict[str, Any]:
    """Parameters that several defenses share, by name; of a complete choice, its parameters."""
    beside = {name: value for name, value in settings.items() if name not in ("name", "variant", "params")}
    params = settings.get("params") or {}
    shared = laid_over(params, beside) if isinstance(params, dict) else beside
    names = {name for component in defenses.COMPONENTS.values() for name in component.params.model_fields}
    if unknown := sorted(set(shared) - names):
        raise UserError(
            f"{DEFENSE!r} shares a parameter {unknown[0]!r}, which no defense has. The parameters are: "
            f"{', '.join(sorted(names))}."
        )
    return shared


def _choice(given: dict[str, Any], shared: dict[str, Any]) -> Choice:
    """A defense as studies write it: by its name, by its strategy (with `variant`, `params` and settings of
    head pruning beside it), or as a `baseline`, the older form."""
    given = dict(given)
    if "baseline" in given and "strategy" in given:
        raise UserError("Give a baseline or a strategy, not both.")
    if "baseline" in given:
        named = {"name": given.pop("baseline"), "params": given.pop("params", {})}
        if isinstance(named["params"], dict):
            named["params"] = laid_over(given, named["params"])
            named = baseline_of(named, shared)
    elif "name" in given:
        named = defense_of(given)
    else:
        if isinstance(given.get("strategy"), str):
            strategy = {"name": given.pop("strategy"), "params": given.pop("params", {})}
            given["strategy"] = strategy | {"variant": given.pop("variant", None)}
        named = {"name": "head-pruning", "params": given}
    try:
        return Choice.model_validate(named)
    except ValidationError as error:
        raise UserError(explain(error)) from error


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` updated with `above`, also inside mappings.  Where `above` names a component or a source, the
    settings of the one below (parameters, files, columns) are dropped; limits and the target class stay."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            another = not NAMING.isdisjoint(value)
            kept = {name: old for name, old in under.items() if not (another and name in OF_THE_NAMED)}
            merged[key] = laid_over(kept, value)
        else:
            merged[key] = value
    return merged


def parse_study(settings: Any) -> StudySpec:
    """A study from plain data, with every one of its runs valid; raises UserError."""
    if not isinstance(settings, dict):
        raise UserError(f"A study is a mapping of settings; this is a {type(settings).__name__}.")
    try:
        study = StudySpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"The study is not valid. {explain(error)}") from error
    for where, shared in (("base", study.base), *study.victims.items()):
        for name, instead in OWN.items():
            if name in shared:
                raise UserError(f"The study sets {name!r} in {where!r}, which has no effect: {instead}.")
    victims = {name: _with_absolute_paths(victim, study.base) for name, victim in study.victims.items()}
    study.base, study.victims = _with_absolute_paths(study.base, {}), victims
    cells(study)
    return study


def _with_absolute_paths(settings: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """The settings with absolute paths, so that a study has the same id and finds its files in any folder."""
    settings = copy.deepcopy(settings)
    for part, name in _paths(settings, base):
        part[name] = str(typed_path(part[name]).absolute())
    return settings


def _paths(settings: dict[str, Any], base: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where `settings`, laid over `base`, hold the path of a file or folder: pairs of a mapping and a key."""
    data, model, trigger = (_mapping(settings.get(part)) for part in ("data", "model", "trigger"))
    merged = laid_over(base, settings)
    component = triggers.COMPONENTS.get(str(_mapping(merged.get("trigger")).get("name")))
    fields = component.params.model_json_schema()["properties"] if component else {}
    candidates = [(data, split) for split in ("train", "validation", "test")]
    candidates += [(model, "name")] if _mapping(merged.get("model")).get("source") == "folder" else []
    params = _mapping(trigger.get("params"))
    candidates += [(params, name) for name, field in fields.items() if field.get("format") == "path"]
    for part, name in candidates:
        if isinstance(path := part.get(name), str) and path:
            yield part, name


def _mapping(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}


def read_study(text: str, what: str) -> StudySpec:
    """A study from YAML text; `what` names it in messages.  Raises UserError."""
    try:
        return parse_study(yaml.load(text, _EachKeyOnce))
    except (yaml.YAMLError, ValueError) as error:  # an invalid date is a ValueError
        raise UserError(f"{what} is not readable YAML: {error}") from error
    except RecursionError as error:
        raise UserError(f"{what} is nested too deeply, or contains itself.") from error


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses equal keys in a mapping, where YAML would silently drop the first one."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise UserError(
                    f"The study has the key {key.value!r} twice in one mapping (line {line}); the second "
                    "would replace the first. Give them different names."
                )
            seen.add(str(key.value))
        return node


def load_study(path: Path) -> StudySpec:
    """A study from a file; raises UserError."""
    try:
        return read_study(path.read_text(encoding="utf-8"), f"The study {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The study {path} cannot be read ({error}). Check the path.") from error


def study_id(study: StudySpec) -> str:
    """The id of a study: its name with a hash of its settings and of the contents of its files, so that runs
    on other rows do not belong to it."""
    slug = re.sub(r"[^a-z0-9]+", "-", study.name.lower()).strip("-")[:40] or "study"
    text = json.dumps(study.model_dump(mode="json"), sort_keys=True)
    shared = [(study.base, {}), *((victim, study.base) for victim in study.victims.values())]
    paths = [part[name] for settings, base in shared for part, name in _paths(settings, base)]
    text += "".join(digest for path in dict.fromkeys(paths) for digest in hashes_at(Path(path)))
    return f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
