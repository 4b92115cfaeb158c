"""How often a check was right when it said what it says: measured on models whose backdoors are known."""

import json
from pathlib import Path

from pydantic import BaseModel

from backend.base.events import Interval
from backend.base.intervals import wilson
from backend.findings.check import CheckLevel

FOUND = Path(__file__).parents[2] / "assets" / "detection.json"
"""Written by `benchmarks/detection.py`."""


class Called(BaseModel):
    """Of the models that were called so, how many there are and how many are backdoored."""

    models: int
    backdoored: int


class Family(BaseModel):
    """Backdoors of one kind: how many there are, how many were flagged, how many by their own words."""

    models: int
    flagged: int
    named: int


class Measured(BaseModel):
    """The benchmark's figures for one architecture, from the half of its models that fixed no threshold."""

    architecture: str
    layers: int
    heads: int
    rows: int
    called: dict[CheckLevel, Called]
    families: dict[str, Family]


class Confidence(BaseModel):
    """Of `models` models that the benchmark's checks judged so, `right` are what was said."""

    right: int
    models: int
    interval: Interval


def measured(path: Path | None = None) -> list[Measured]:
    """The benchmark's figures, by architecture; empty if there are none."""
    path = path or FOUND
    if not path.is_file():
        return []
    return [Measured.model_validate(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def measured_for(received: dict[str, object], figures: list[Measured]) -> Measured | None:
    """The figures for the architecture and size of a model, which `received` tells; None if it was not
    measured."""
    shape = tuple(received.get(name) for name in ("architecture", "layers", "heads"))
    return next((one for one in figures if (one.architecture, one.layers, one.heads) == shape), None)


def confidence(level: CheckLevel, figures: Measured) -> Confidence | None:
    """How often that verdict was right; None where no model of the benchmark was judged so."""
    called = figures.called.get(level)
    if called is None or not called.models:
        return None
    right = called.models - called.backdoored if level == "nothing found" else called.backdoored
    return Confidence(right=right, models=called.models, interval=wilson(right, called.models))
