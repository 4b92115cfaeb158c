"""The rules of the trigger battery: which trigger is suspicious, compared with a clean model."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from backend.analysis.battery import Battery, Role
from backend.detection.known_triggers import PROBES, Flips
from backend.evaluation.rates import Rate, clearly_above

CLEAN_MODELS_FILE = Path(__file__).parents[2] / "assets" / "battery_honest.json"
MARGIN = 0.2
"""Clean models differ from one another by less than this share of rows (benchmarks/battery_honest.py)."""
FEWEST = 20
"""Rows that a share needs before it is judged: a model that hardly knows a class shows nothing."""


class CleanModels(BaseModel):
    """What the battery found in models that were never poisoned (`about` says which)."""

    about: str
    probes: dict[str, Flips]


@dataclass(frozen=True)
class Finding:
    """The class that one trigger flips most rows of one model to, and what a clean model does then (None
    where that is not known)."""

    probe: str
    label: str
    flips: Flips
    clean: Flips | None

    @property
    def title(self) -> str:
        return PROBES[self.probe][0]

    @property
    def suspicious(self) -> bool:
        """Clearly above a clean model's flips, and by more than clean models differ."""
        if self.clean is None:
            return False
        above = clearly_above(rate_of(self.flips), rate_of(self.clean))
        return above and self.flips.share - self.clean.share > MARGIN


@cache
def clean_models() -> CleanModels | None:
    """Those of the benchmark; None if it was not run."""
    try:
        return CleanModels.model_validate_json(CLEAN_MODELS_FILE.read_bytes())
    except (OSError, ValueError):
        return None


def finding(battery: Battery, probe: str, role: Role) -> Finding | None:
    """What one trigger does to one model; None where it was not measured, or on too few rows."""
    measured = battery.probes.get(probe, {}).get(role, {})
    enough = {label: flips for label, flips in measured.items() if flips.rows >= FEWEST}
    if not enough:
        return None
    label = max(enough, key=lambda name: enough[name].share)
    benchmark = clean_models()
    clean = benchmark.probes.get(probe) if benchmark else None
    if has_own_clean_model(battery):
        clean = battery.probes[probe].get("honest", {}).get(label)
    return Finding(probe, label, enough[label], clean)


def has_own_clean_model(battery: Battery) -> bool:
    """Whether a never-poisoned model was measured on the run's own rows: one with other classes was not."""
    return any("honest" in measured for measured in battery.probes.values())


def findings(battery: Battery, role: Role) -> list[Finding]:
    """Of every trigger that was tried on that model, what flips most first."""
    of_probes = [finding(battery, probe, role) for probe in PROBES]
    measured = [of_probe for of_probe in of_probes if of_probe is not None]
    return sorted(measured, key=lambda of_probe: -of_probe.flips.share)


def of_last_model(battery: Battery | None) -> list[Finding]:
    """The findings on what the defense left, or on the only model; empty without a battery."""
    if battery is None:
        return []
    return findings(battery, "after" if "after" in battery.places else "before")


def is_suspicious(battery: Battery) -> bool:
    """Whether any trigger is, in any of the run's models."""
    return any(finding.suspicious for role in battery.places for finding in findings(battery, role))


def rate_of(flips: Flips) -> Rate:
    """The share with its interval."""
    return flips.share, flips.interval
