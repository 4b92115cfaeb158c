"""A study carried out by the process that asks for it, run after run."""

from collections.abc import Callable
from pathlib import Path

from backend.errors import UserError
from backend.events import RunFinished, RunStarted
from backend.report.numbers import duration, percent
from backend.runs.foreground import carry_out
from backend.runs.settings import settled
from backend.runs.store import Store
from backend.studies.records import StudyRecord, assign, open_places, read_study_record, register
from backend.studies.spec import StudySpec, cells, load_study


def read(path: Path, quick: bool) -> StudySpec:
    """The study in a file; raises UserError."""
    if quick:
        raise UserError("Only built-in studies have a quick form: make the file's own grid smaller.")
    return load_study(path)


def carry_out_study(store: Store, study: StudySpec, say: Callable[[str], None]) -> tuple[StudyRecord, bool]:
    """Every run that is not done, one after another; a failed one is told and the rest goes on.

    Gives back what there is then, and whether it went on to the end: cancelling a run (Ctrl-C) ends the
    study, and started again it goes on there.  What others began meanwhile is left to them."""
    record = read_study_record(store, register(store, study))
    wanted = open_places(record)
    by_place = {cell.place: cell for cell in cells(study)}
    for number, place in enumerate(wanted, start=1):
        record = read_study_record(store, record.id)
        if not open_places(record, [place]):
            continue
        cell = by_place[place]
        say(f"[{number} of {len(wanted)}] {cell.victim} · {cell.defense}, seed {cell.seed}")
        end = None
        try:
            for event in carry_out(store, settled(cell.spec, store), say):
                if isinstance(event, RunStarted):
                    assign(store, record.id, cell, event.run)
                end = event if isinstance(event, RunFinished) else None
        except UserError as error:
            say(f"    {error}")
            continue
        if end is None or end.state == "cancelled":
            return read_study_record(store, record.id), False
        say(f"    {_ended(end)}")
    return read_study_record(store, record.id), True


def _ended(end: RunFinished) -> str:
    if end.state == "failed" or not end.metrics:
        return f"{end.state}: {end.error}"
    last = list(end.metrics.values())[-1]
    return f"ACC {percent(last.acc)}, LFR {percent(last.lfr)}, {duration(end.seconds)}"
