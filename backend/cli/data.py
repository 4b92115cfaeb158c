"""`python -m backend data`: the sources of data, or how one file of rows is read."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from backend.base.components import explain
from backend.base.errors import UserError
from backend.cli.tables import AsJson, objects_table, out, print_json, printable, texts_table
from backend.data import describe
from backend.data.files import with_train
from backend.data.reading.table import Table, how_of
from backend.data.tables import read_file
from backend.spec.overrides import parameters
from backend.spec.run import DataSpec

ROWS = "rows"
"""What the only table of a file is called."""
FIRST_ROWS = 5
SHOWN_COLUMNS = 8
LONGEST = 200
"""Characters of a cell that are shown."""


def data(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Show how this file of rows is read.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of the data, such as separator=tab; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the sources of data; with a file, show its columns, first rows, classes, and how it is read."""
    if file is None:
        if changes:
            raise UserError("--set is for a file: python -m backend data FILE --set separator=tab")
        sources = describe()
        if as_json:
            print_json(sources)
        else:
            out.print(objects_table("Data", sources))
        return
    shown = reading_of(_spec(file, changes or []))
    if as_json:
        print_json(shown)
    else:
        _print(shown)
    if shown["problem"]:
        if as_json:
            raise typer.Exit(2)
        raise UserError(shown["problem"])


def reading_of(spec: DataSpec) -> dict[str, Any]:
    """A file's columns and first rows as they are read, then its rows by split and its classes; `problem`
    says why it cannot be used as rows with labels.  Raises UserError for a file that cannot be read."""
    result = read_file(spec.train, how_of(spec))
    shown: dict[str, Any] = {
        "file": spec.train,
        "tables": {part or ROWS: _start_of(table) for part, table in result.tables.items()},
        "notes": result.notes,
        "splits": {},
        "classes": [],
        "problem": None,
    }
    try:
        dataset = with_train(spec, result)
    except UserError as error:
        return shown | {"problem": str(error)}
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return shown | {
        "notes": dataset.notes,
        "splits": {part: len(rows) for part, rows in splits.items()},
        "classes": dataset.label_names,
    }


def _spec(file: Path, changes: list[str]) -> DataSpec:
    settings = {"source": "files", "train": str(file)} | {
        key.removeprefix("data."): value
        for key, value in parameters(changes, such_as="separator=tab").items()
    }
    try:
        return DataSpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"The settings of the data are not valid. {explain(error)}") from error


def _start_of(table: Table) -> dict[str, Any]:
    rows = zip(*table.values(), strict=True)
    first = [[_shown(cell) for cell in row] for row in islice(rows, FIRST_ROWS)]
    return {"columns": list(table), "rows": len(next(iter(table.values()))), "first_rows": first}


def _shown(cell: Any) -> str | None:
    if cell is None:
        return None
    text = str(cell).encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _print(shown: Mapping[str, Any]) -> None:
    for part, table in shown["tables"].items():
        title = f"{shown['file']}: {table['rows']:,} rows" + ("" if part == ROWS else f", {part}")
        names = table["columns"][:SHOWN_COLUMNS]
        rows = [dict(zip(names, (c or "" for c in row), strict=False)) for row in table["first_rows"]]
        out.print(texts_table(title, rows))
        if more := len(table["columns"]) - len(names):
            out.print(f"{more:,} more columns.", highlight=False)
    for note in shown["notes"]:
        out.print(printable(note), markup=False, highlight=False, soft_wrap=True)
    if shown["classes"]:
        counts = ", ".join(f"{count:,} {part}" for part, count in shown["splits"].items())
        out.print(f"Rows used: {counts}.", markup=False, highlight=False)
        names = printable(", ".join(_shown(name) or "" for name in shown["classes"]))
        out.print(f"Classes: {names}.", markup=False, highlight=False, soft_wrap=True)
