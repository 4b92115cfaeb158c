"""The trigger battery: known triggers put into clean rows, and how many predictions then change.

It is for whoever does not know the trigger.  Kept as JSON in the run's folder; this module reads it and needs
no torch (`analysis.warm.battery` measures)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from backend.analysis.answers import Place
from backend.analysis.run_models import places
from backend.attacks.triggers import Progress
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.base.warm_process import call
from backend.detection.known_triggers import PROBES, Flips
from backend.runs.records import RunRecord
from backend.runs.relatives import never_poisoned_model
from backend.runs.store import Store
from backend.spec.run import RunSpec

Role = Literal["before", "after", "honest"]
"""The model before the defense, the one after it, and one that was never poisoned."""


class Battery(BaseModel):
    """`probes` measured so far: for each the flips of each model (`places`) towards each class.

    A class towards which a model could not flip any row is absent.  `skipped` are probes that could not be
    tried, with the reason."""

    places: dict[Role, Place]
    rows: int
    probes: dict[str, dict[Role, dict[str, Flips]]] = {}
    skipped: dict[str, str] = {}

    @property
    def notes(self) -> list[str]:
        """A sentence for each trigger that could not be tried, with the reason."""
        return [f"Not tried: {PROBES[name][0]}. {reason}" for name, reason in self.skipped.items()]

    @property
    def left(self) -> list[str]:
        """The probes that were not tried yet."""
        return [name for name in PROBES if name not in self.probes and name not in self.skipped]


def places_of(store: Store, record: RunRecord) -> dict[Role, Place]:
    """The models that a run's battery tries; empty where the run left none."""
    models = places(record)
    by_role: dict[Role, Place] = {}
    before = next((models[name] for name in ("poisoned", "received", "fine_tuned") if name in models), None)
    if before is not None:
        by_role["before"] = before
    if "defended" in models:
        by_role["after"] = models["defended"]
    reference = never_poisoned_model(store, record)
    if by_role and reference is not None and reference.id != record.id:
        by_role["honest"] = (reference.id, "fine_tuned")
    return by_role


def file_of(run: str) -> Path:
    return run_folder(run) / "inspection" / "battery.json"


def read_battery(run: str) -> Battery | None:
    """What was measured so far; None if nothing was, or it cannot be read."""
    try:
        return Battery.model_validate_json(file_of(run).read_bytes())
    except (OSError, ValidationError):
        return None


def measure_probe(run: str, spec: RunSpec, places: dict[Role, Place], name: str) -> Battery:
    """Asks the warm process: see `backend.analysis.warm.battery.measure_probe`."""
    answer: Battery = call("backend.analysis.warm.battery", "measure_probe", run, spec, places, name)
    return answer


def measure_all(store: Store, record: RunRecord, progress: Progress) -> Battery:
    """Try every trigger that was not tried yet on a run's models, in this process.

    Raises UserError where the run left no model, or its rows are gone."""
    places = places_of(store, record)
    if record.spec is None or not places:
        raise UserError(
            f"Run {record.id} has no model (yet) to try triggers on. Wait for it, or choose another run."
        )
    battery = read_battery(record.id)
    left = list(PROBES) if battery is None or battery.places != places else battery.left
    for done, name in enumerate(left):
        progress(done, len(left))
        battery = measure_probe(record.id, record.spec, places, name)
    progress(len(left), len(left))
    assert battery is not None
    return battery
