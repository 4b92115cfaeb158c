"""The commands of studies: a grid carried out, shown or cancelled, and a list of the grids."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.base.errors import UserError
from backend.cli import console, tables
from backend.cli.tables import EXIT_STATUS, AsJson, out, print_json
from backend.runs.store import Store, open_store
from backend.runs.worker import ensure_worker

if TYPE_CHECKING:
    from backend.studies.spec import Cell
    from backend.studies.store import Part, StudyRecord

WIDE = 200  # columns of a terminal that a study's whole table takes


def study(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE|ID", help="Built in, a YAML file, or one that was started.")
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="The built-in study's quick form: under 15 minutes on 2 cores.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON at the end.")] = False,
    to: Annotated[
        Path | None, typer.Option("--export", help="Write the whole table: a .csv, .tex, .md or .json file.")
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Leave it to a worker in the background.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop what is queued or under way.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove it with all its runs, their numbers and models.")
    ] = False,
    look: Annotated[bool, typer.Option("--show", help="Only show what is there.")] = False,
    victims: Annotated[
        list[str] | None, typer.Option("--victim", help="Only runs of this victim; repeatable.")
    ] = None,
    defenses: Annotated[
        list[str] | None, typer.Option("--defense", help="Only runs of this defense; repeatable.")
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Only this seed; repeatable.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also defend again where it is done.")] = False,
) -> None:
    """Carry out a grid of runs, or some of them; what is done already is not done again."""
    from backend.studies import exports, foreground, results
    from backend.studies import store as studies

    if queue + cancel + look + delete > 1:
        raise UserError("Give one of --queue, --cancel, --show and --delete.")
    write = None if to is None else exports.exporter(to)  # before hours of work
    store = open_store()
    record = foreground.named(store, name, quick)
    if delete:
        if to or as_json or again or victims or defenses or seeds:
            raise UserError("--delete takes the whole study and prints nothing of it: give it alone.")
        gone = studies.forget(store, studies.read_study_record(store, record.id), with_runs=True)
        print(f"Deleted the study {record.id} and its {gone} runs.")
        return
    here = not (queue or cancel or look)
    part = studies.Part(None, victims or (), defenses or (), seeds or (), again, here)
    if record.problem is not None:
        if not cancel:
            raise UserError(record.problem)
        studies.cancel(store, record)
        raise UserError(f"What was queued or under way is cancelled. {record.problem}")
    stopped = None
    if cancel:
        record = studies.cancel(store, record, part)
    elif look:
        part.check(record.study)
        if seeds:
            raise UserError("--show prints means over all seeds that are done: leave out --seed.")
    else:
        wanted = _ready(store, record, part)
        if queue:
            record = studies.queue(store, record, wanted)
            ensure_worker(store)
        else:
            record, stopped = foreground.carry_out_study(store, record, wanted, console.say)
    if as_json:
        print_json(exports.as_json(record))
    else:
        found = [row for row in results.rows(record) if part.shows(row.victim, row.defense)]
        rows = results.table(found) if out.width >= WIDE else results.short_table(found)
        out.print(tables.texts_table(record.study.name, rows))
        for line in results.notes(record):
            out.print(line, markup=False, highlight=False)
    if write is not None:
        write(record)
    if stopped is not None:
        raise typer.Exit(EXIT_STATUS[stopped])
    asked = [record.runs.get(place) for place in record.places if part.has(place)]
    whole = all(run is not None and run.state == "done" for run in asked)
    raise typer.Exit(EXIT_STATUS["done" if whole or not here else "failed"])


def _ready(store: Store, record: "StudyRecord", part: "Part") -> "list[Cell]":
    """The cells of the part that are to be carried out, checked, with warnings told."""
    from backend.attacks.preview import rewritten_here
    from backend.studies.preflight import check_cells
    from backend.studies.store import wanted_cells

    wanted = wanted_cells(store, record, part)
    for warning in check_cells(wanted, rewritten_here):
        console.say(f"Warning: {warning}")
    return wanted


def studies(
    as_json: AsJson = False,
    started: Annotated[
        bool, typer.Option("--started", help="Those that were started, by their ids.")
    ] = False,
) -> None:
    """The built-in studies, or those that were started."""
    from backend.studies.built_in import listed
    from backend.studies.store import listed_started

    found = listed_started(open_store()) if started else listed()
    if as_json:
        print_json(found)
    elif found:
        rows = [{key: str(value) for key, value in one.items()} for one in found]
        out.print(tables.texts_table("Studies", rows))
    else:
        out.print("No study was started yet. Start one: python -m backend study threshold --quick")
