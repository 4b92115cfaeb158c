"""The rows that a run worked on, read again to look into its models (in the warm process)."""

import json
import threading
from dataclasses import dataclass
from functools import lru_cache

from backend.base.checkpoints import read_record
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.base.reporter import Reporter
from backend.data.tokens import Encoded
from backend.engine.clean_data import CleanData, prepare
from backend.engine.triggered_data import encoded
from backend.spec.parse import parse
from backend.spec.run import RunSpec


@dataclass(frozen=True)
class RunRows:
    """The clean splits, and the triggered test rows (None where the run had no trigger)."""

    clean_data: CleanData
    triggered: Encoded | None


def run_rows(run: str, spec: RunSpec) -> RunRows:
    """The run's rows.  Raises UserError where the data cannot be read any more."""
    return _run_rows(run, spec.model_dump_json())


@lru_cache(maxsize=2)
def _run_rows(run: str, settings: str) -> RunRows:
    spec = parse(json.loads(settings))
    clean_data = prepare(spec, Reporter(run, threading.Event(), lambda event: None))
    if spec.trigger is None:
        return RunRows(clean_data, None)
    try:
        rows = read_record(run_folder(run) / "generated")["rows"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"The triggered rows of run {run} are gone. Start it again with the same settings."
        ) from error
    return RunRows(clean_data, encoded(spec.model_copy(update={"attack": None}), clean_data, rows).test)
