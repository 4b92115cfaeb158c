"""The commands for studies: carry out, show, cancel or delete one, and list them."""

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

WIDE = 200  # columns of a terminal that a study's full table needs


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|ID", help="A built-in study, a YAML file, or the id of a started study."
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="The built-in study's quick form: under 15 minutes on 2 cores.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON at the end.")] = False,
    to: Annotated[
        Path | None, typer.Option("--export", help="Write the full table to a .csv, .tex, .md or .json file.")
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Queue it for a worker in the background.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop its queued and running runs.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it with all its runs, their results and models.")
    ] = False,
    look: Annotated[bool, typer.Option("--show", help="Only show the results so far.")] = False,
    victims: Annotated[
        list[str] | None, typer.Option("--victim", help="Only runs of this victim; repeatable.")
    ] = None,
    defenses: Annotated[
        list[str] | None, typer.Option("--defense", help="Only runs of this defense; repeatable.")
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Only this seed; repeatable.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also defend finished runs again.")] = False,
) -> None:
    """Carry out a grid of runs, or some of them; finished runs are not done again."""
    from backend.studies import exports, foreground, results
    from backend.studies import store as studies

    if queue + cancel + look + delete > 1:
        raise UserError("Give one of --queue, --cancel, --show and --delete.")
    write = None if to is None else exports.exporter(to)  # checked before hours of work
    store = open_store()
    record = foreground.named(store, name, quick)
    if delete:
        if to or as_json or again or victims or defenses or seeds:
            raise UserError("--delete removes the whole study and takes no other options.")
        count = studies.forget(store, studies.read_study_record(store, record.id), with_runs=True)
        print(f"Deleted the study {record.id} and its {count} runs.")
        return
    here = not (queue or cancel or look)
    part = studies.Part(None, victims or (), defenses or (), seeds or (), again, here)
    if record.problem is not None:
        if not cancel:
            raise UserError(record.problem)
        studies.cancel(store, record)
        raise UserError(f"Its queued and running runs are cancelled. {record.problem}")
    stopped = None
    if cancel:
        record = studies.cancel(store, record, part)
    elif look:
        part.check(record.study)
        if seeds:
            raise UserError("--show prints means over all finished seeds. Drop --seed.")
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
        rows = [row for row in results.rows(record) if part.shows(row.victim, row.defense)]
        texts = results.table(rows) if out.width >= WIDE else results.short_table(rows)
        out.print(tables.texts_table(record.study.name, texts))
        for line in results.notes(record):
            out.print(line, markup=False, highlight=False)
    if write is not None:
        write(record)
    if stopped is not None:
        raise typer.Exit(EXIT_STATUS[stopped])
    runs = [record.runs.get(place) for place in record.places if part.has(place)]
    complete = all(run is not None and run.state == "done" for run in runs)
    raise typer.Exit(EXIT_STATUS["done" if complete or not here else "failed"])


def _ready(store: Store, record: "StudyRecord", part: "Part") -> "list[Cell]":
    """The cells of the part to carry out, checked; warnings are printed."""
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
        bool, typer.Option("--started", help="List the started studies with their ids.")
    ] = False,
) -> None:
    """List the built-in studies, or the started ones."""
    from backend.studies.built_in import listed
    from backend.studies.store import listed_started

    listing = listed_started(open_store()) if started else listed()
    if as_json:
        print_json(listing)
    elif listing:
        rows = [{key: str(value) for key, value in entry.items()} for entry in listing]
        out.print(tables.texts_table("Studies", rows))
    else:
        out.print("There are no started studies yet. Start one: python -m backend study threshold --quick")
