"""What `benchmarks/trigger_quality.py` found out about the trigger generators, as tables and sentences."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.attacks.triggers import COMPONENTS
from backend.base.components import Choice, Params
from backend.base.errors import UserError
from backend.base.numbers import percent
from backend.spec.run import TriggerSpec

FOUND = Path(__file__).parents[2] / "assets" / "trigger_quality.json"
DATA_TITLES = {"sst2": "SST-2", "embedded": "Built-in movie reviews"}
STYLES = ("bible", "shakespeare", "twitter", "lyrics", "poetry")
BUILT_IN = {
    "syntactic": Choice(name="syntactic"),
    **{f"style-{style}": Choice(name="style", params={"style": style}) for style in STYLES},
    "instruct": Choice(name="instruct"),
}
"""The built-in generators that the benchmark measures, by what the findings call them."""
# The published rows that a built-in generator is held against.
PUBLISHED = {"syntactic": "scpn", "style-bible": "strap-bible"}


@dataclass(frozen=True)
class Target:
    """`field` shall be at least `least`; with `least` None at least what the published rows have, and
    with `most` at most that."""

    field: str
    title: str
    least: float | None = None
    most: bool = False
    rate: bool = True


TARGETS = (
    Target("rewritten", "rows of four words or more rewritten", 0.95),
    Target("lfr", "LFR when planted", 0.90),
    Target("floor", "floor", most=True),
    Target("similarity", "similarity", rate=False),
    Target("presence", "trigger present", 0.90),
    Target("rows_per_second", "rows per second", 100, rate=False),
)


def load(path: Path = FOUND) -> dict[str, Any]:
    """The benchmark's findings; empty if there are none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def name_of(trigger: TriggerSpec) -> str | None:
    """The generator that a trigger's choice stands for in the findings, measured or not.

    None for a published variant and for parameters other than those that are measured: what was found
    says nothing of them."""
    component = COMPONENTS.get(trigger.name)
    if component is None or trigger.variant not in (None, *component.variants[:1]):
        return None
    try:
        chosen = _of_first_variant(component.parse(trigger.params))
    except UserError:
        return None
    for name, choice in BUILT_IN.items():
        if choice.name == trigger.name and chosen == _of_first_variant(component.parse(choice.params)):
            return name
    return None


def _of_first_variant(params: Params) -> dict[str, Any]:
    """The values that the published variants do not have for themselves."""
    extras = {name: field.json_schema_extra for name, field in type(params).model_fields.items()}
    theirs = {name for name, extra in extras.items() if isinstance(extra, dict) and "variant" in extra}
    return params.model_dump(exclude=theirs)


def table(found: dict[str, Any], data: str) -> list[dict[str, str]]:
    """A row for each generator measured on `data`, the clean rows first."""
    rows = []
    measured = found.get("data", {}).get(data, {})
    for name, one in sorted(measured.items(), key=lambda item: item[0] != "clean"):
        clean = name == "clean"
        presence = one.get("presence")
        rows.append(
            {
                "Generator": one["title"],
                "Rewritten": "" if clean else percent(one["rewritten"]),
                "Trigger present": "" if clean else percent(presence),
                "By words and grammar alone": percent(one["own_presence"]) if one.get("own_presence") else "",
                "Clean rows that look so": _looks_clean(found, data, one.get("kind")),
                "Similarity": "" if clean else f"{one['similarity']:.2f}",
                "Length": "" if clean else f"×{one['length']:.2f}",
                "Perplexity": f"{one['perplexity']:.0f}",
                "LFR planted": percent(one.get("lfr")),
                "Floor": percent(one.get("floor")),
                "ACC planted": percent(one.get("acc", one.get("honest_acc"))),
                "Rows/s": _rate(one.get("rows_per_second")),
            }
        )
    return rows


def _rate(rows_per_second: float | None) -> str:
    return "" if not rows_per_second else f"{rows_per_second:.{0 if rows_per_second >= 10 else 1}f}"


def _looks_clean(found: dict[str, Any], data: str, kind: str | None) -> str:
    clean = found["data"][data].get("clean", {}).get("presence", {})
    return percent(clean[kind]) if kind in clean else ""


def misses(found: dict[str, Any], data: str, name: str | None = None) -> list[str]:
    """Sentences on the targets that built-in generators miss (only `name`'s if given)."""
    said = []
    for one, targets in _built_in(found, data, name):
        for target, bound in targets:
            got = one.get(target.field)
            if got is None or (got <= bound if target.most else got >= bound):
                continue
            limit = "at most" if target.most else "at least"
            show = percent if target.rate else "{:.3g}".format
            said.append(
                f"{one['title']}: {target.title} {show(got)}, wanted {limit} {show(bound)}"
                f"{'' if target.least is not None else ' (the published rows)'}."
            )
    return said


def unmeasured(found: dict[str, Any], data: str, name: str | None = None) -> list[str]:
    """Sentences on the targets for which built-in generators (or `name` alone) were never tried."""
    said = []
    for one, targets in _built_in(found, data, name):
        if never := [target.title for target, _ in targets if one.get(target.field) is None]:
            said.append(f"{one['title']}: {', '.join(never)}.")
    return said


def _built_in(
    found: dict[str, Any], data: str, name: str | None
) -> list[tuple[dict[str, Any], list[tuple[Target, float]]]]:
    """What was found of each built-in generator (or of `name` alone), and its targets with their bounds."""
    rows = found.get("data", {}).get(data, {})
    listed = []
    for one_name, one in rows.items():
        if one_name not in BUILT_IN or name not in (None, one_name):
            continue
        published = rows.get(PUBLISHED.get(one_name, ""), {})
        bounds = [(target, target.least or published.get(target.field)) for target in TARGETS]
        listed.append((one, [(target, bound) for target, bound in bounds if bound is not None]))
    return listed
