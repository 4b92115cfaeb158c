"""Carries out a study in this process, run after run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from backend.base.errors import UserError, accelerator_is_lost
from backend.base.events import RunFinished
from backend.base.numbers import duration, percent
from backend.runs.foreground import carry_out
from backend.runs.leases import claim
from backend.runs.store import Store
from backend.runs.worker import worker_name
from backend.studies.built_in import built_in
from backend.studies.spec import Cell, load_study
from backend.studies.store import StudyRecord, begin, current, enter, find, read_study_record

Stopped = Literal["cancelled", "terminated"]


def named(store: Store, name: str, quick: bool) -> StudyRecord:
    """The study of a file, a built-in one (only these have a quick form), or a started one by its id; raises
    UserError."""
    if name.endswith((".yaml", ".yml", ".json")):
        return _of_file(store, name, quick)
    try:
        return current(store, built_in(name, quick))
    except UserError as unknown:
        if Path(name).is_file():
            return _of_file(store, name, quick)
        if quick:
            raise UserError(f"{unknown} Only built-in studies have a quick form.") from unknown
        try:
            return find(store, name)
        except UserError as error:
            raise UserError(f"{unknown} Or give the id of a started study: {error}") from error


def _of_file(store: Store, name: str, quick: bool) -> StudyRecord:
    if quick:
        raise UserError("Only built-in studies have a quick form. Make the grid in the file smaller.")
    return current(store, load_study(Path(name)))


def carry_out_study(
    store: Store, record: StudyRecord, wanted: Sequence[Cell], say: Callable[[str], None]
) -> tuple[StudyRecord, Stopped | None]:
    """Carry out those cells' runs, one after another; a failed run is reported and the next one begins.

    Returns the study then, and what stopped it early, if anything: a cancelled run (Ctrl-C) or SIGTERM; a
    new start continues there.  Cells that another process began meanwhile are skipped.  Raises UserError
    when a failed run left this process without its GPU: every later run would fail too."""
    begin(store, record, wanted)
    for number, cell in enumerate(wanted, start=1):
        run = enter(store, record, cell)
        lease = run and claim(store, worker_name(), run)
        if not lease:
            continue
        say(f"[{number} of {len(wanted)}] {cell.victim} · {cell.defense}, seed {cell.seed}")
        end = None
        try:
            for event in carry_out(store, lease, say):
                end = event if isinstance(event, RunFinished) else None
        except UserError as error:
            say(f"    {error}")
            continue
        if end is None or end.state == "cancelled":
            return read_study_record(store, record.id), "cancelled" if end else "terminated"
        say(f"    {_ended(end)}")
        if end.state == "failed" and accelerator_is_lost():
            raise UserError(
                "After that failure this process cannot use the GPU any more. Start the study again: it "
                "continues with the runs that are left. If that run fails again, choose the others with "
                "--victim and --defense."
            )
    return read_study_record(store, record.id), None


def _ended(end: RunFinished) -> str:
    if end.state == "failed" or not end.metrics:
        return f"{end.state}: {end.error}"
    last = list(end.metrics.values())[-1]
    return f"ACC {percent(last.acc)}, LFR {percent(last.lfr)}, {duration(end.seconds)}"
