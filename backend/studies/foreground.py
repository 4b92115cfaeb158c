"""A study carried out by the process that asks for it, run after run."""

from collections.abc import Callable, Sequence
from pathlib import Path

from backend.errors import UserError
from backend.events import RunFinished, RunStarted
from backend.report.numbers import duration, percent
from backend.runs.foreground import carry_out
from backend.runs.store import Store
from backend.studies.built_in import built_in
from backend.studies.records import StudyRecord, assign, current, find, read_study_record, register
from backend.studies.spec import Cell, load_study


def named(store: Store, name: str, quick: bool) -> StudyRecord:
    """The study of a file, a built-in one, or one that was started, by its id; raises UserError."""
    if name.endswith((".yaml", ".yml", ".json")) or Path(name).is_file():
        if quick:
            raise UserError("Only built-in studies have a quick form: make the file's own grid smaller.")
        return current(store, load_study(Path(name)))
    try:
        return current(store, built_in(name, quick))
    except UserError as unknown:
        try:
            return find(store, name)
        except UserError as error:
            raise UserError(f"{unknown} Or the id of one that was started: {error}") from error


def carry_out_study(
    store: Store, record: StudyRecord, wanted: Sequence[Cell], say: Callable[[str], None]
) -> tuple[StudyRecord, bool]:
    """Those cells' runs, one after another; a failed one is told and the rest goes on.

    Gives back what there is then, and whether it went on to the end: cancelling a run (Ctrl-C) ends the
    study, and started again it goes on there.  What others began meanwhile is left to them."""
    register(store, record.study)
    before = record
    for number, cell in enumerate(wanted, start=1):
        record = read_study_record(store, record.id)
        if _run_of(record, cell) != _run_of(before, cell):
            continue
        say(f"[{number} of {len(wanted)}] {cell.victim} · {cell.defense}, seed {cell.seed}")
        end = None
        try:
            for event in carry_out(store, cell.spec, say):
                if isinstance(event, RunStarted | RunFinished):
                    assign(store, record.id, cell, event.run)
                end = event if isinstance(event, RunFinished) else None
        except UserError as error:
            say(f"    {error}")
            continue
        if end is None or end.state == "cancelled":
            return read_study_record(store, record.id), False
        say(f"    {_ended(end)}")
    return read_study_record(store, record.id), True


def _run_of(record: StudyRecord, cell: Cell) -> tuple[str, str] | None:
    run = record.runs.get(cell.place)
    return None if run is None else (run.id, run.state)


def _ended(end: RunFinished) -> str:
    if end.state == "failed" or not end.metrics:
        return f"{end.state}: {end.error}"
    last = list(end.metrics.values())[-1]
    return f"ACC {percent(last.acc)}, LFR {percent(last.lfr)}, {duration(end.seconds)}"
