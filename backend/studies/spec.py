"""What a study is: victims × defenses × seeds, and the runs that it expands to."""

import copy
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend import defenses, triggers
from backend.components import Choice, explain
from backend.errors import UserError
from backend.spec import RunSpec, parse

MOST_RUNS = 1000
DEFENSE = "defense"


class StudySpec(BaseModel):
    """`base` are settings that all runs share.  A victim is settings laid over them; a defense is
    settings of `defense` laid over those (`strategy` may be a name, with `variant` and `params` beside
    it), or `baseline` with its `params`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, title="Name")
    question: str = Field("", max_length=500, title="Question", description="What the study answers.")
    base: dict[str, Any] = Field({}, title="Shared settings")
    victims: dict[str, dict[str, Any]] = Field(min_length=1, title="Victims")
    defenses: dict[str, dict[str, Any]] = Field(min_length=1, title="Defenses")
    seeds: list[int] = Field([11], min_length=1, title="Seeds")


Place = tuple[str, str, int]
"""Victim, defense and seed: where a run stands in the grid."""


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
    """Every run of the grid, victim by victim and seed by seed so that what runs share comes first.

    Raises UserError for a grid that is too large, and naming the first cell that is not valid."""
    grid = places(study)
    if len(grid) > MOST_RUNS:
        raise UserError(
            f"The study has {len(study.victims)} victims × {len(study.defenses)} defenses × "
            f"{len(set(study.seeds))} seeds = {len(grid):,} runs; at most {MOST_RUNS:,} are allowed. "
            "Split it."
        )
    return [Cell(*place, _spec(study, *place)) for place in grid]


def places(study: StudySpec) -> list[Place]:
    """The places of the grid in the order of `cells`, without what runs there."""
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
        given = dict(study.defenses[defense])
        if not isinstance(settings.get(DEFENSE) or {}, dict):
            parse(settings)  # says what is wrong with it
        if "baseline" in given:
            choice = _choice({"name": given.pop("baseline"), "params": given.pop("params", {})})
            settings = laid_over(settings, {DEFENSE: given or settings.get(DEFENSE) or {}})
            return defenses.defended(parse(settings), choice)
        if isinstance(given.get("strategy"), str):
            strategy = {"name": given.pop("strategy"), "params": given.pop("params", {})}
            given["strategy"] = strategy | {"variant": given.pop("variant", None)}
        # A strategy is one choice: the parameters of another are not laid under it.
        shared = {k: v for k, v in (settings.get(DEFENSE) or {}).items() if k != "strategy" or k not in given}
        return parse(settings | {DEFENSE: laid_over(shared, given)})
    except UserError as error:
        raise UserError(f"Study {study.name!r}, victim {victim!r}, defense {defense!r}: {error}") from error


def _choice(settings: dict[str, Any]) -> Choice:
    try:
        return Choice.model_validate(settings)
    except ValidationError as error:
        raise UserError(explain(error)) from error


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mappings inside mappings too; what names a component replaces it whole."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        whole = isinstance(value, dict) and "name" in value
        if isinstance(value, dict) and isinstance(under, dict) and not whole:
            merged[key] = laid_over(under, value)
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
    study.base = _with_absolute_paths(study.base)
    study.victims = {name: _with_absolute_paths(settings) for name, settings in study.victims.items()}
    cells(study)
    return study


def _with_absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """So that a study is the same, and finds its files, wherever it is taken up."""
    settings = copy.deepcopy(settings)
    data, model, trigger = (_mapping(settings.get(part)) for part in ("data", "model", "trigger"))
    for split in ("train", "validation", "test"):
        _make_absolute(data, split)
    if model.get("source") == "folder":
        _make_absolute(model, "name")
    known = triggers.COMPONENTS.get(str(trigger.get("name")))
    fields = known.params.model_json_schema()["properties"] if known else {}
    for name, field in fields.items():
        if field.get("format") == "path":
            _make_absolute(_mapping(trigger.get("params")), name)
    return settings


def _mapping(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}


def _make_absolute(settings: dict[str, Any], name: str) -> None:
    if isinstance(path := settings.get(name), str) and path:
        settings[name] = str(Path(path).expanduser().absolute())


def read_study(text: str, what: str) -> StudySpec:
    """A study from YAML text; `what` names it in messages.  Raises UserError."""
    try:
        return parse_study(yaml.load(text, _EachKeyOnce))
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise UserError(f"{what} is not readable YAML: {error}") from error


class _EachKeyOnce(yaml.SafeLoader):
    """YAML lets the second of two equal keys replace the first, and a defense would be gone unseen."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise UserError(
                    f"The study says {key.value!r} twice in one mapping (line {line}); the second would "
                    "replace the first. Give each a name of its own."
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
    """The same for the same study, whenever it is started: its name and the hash of what it asks."""
    slug = re.sub(r"[^a-z0-9]+", "-", study.name.lower()).strip("-")[:40] or "study"
    text = json.dumps(study.model_dump(mode="json"), sort_keys=True)
    return f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
