"""Files of rows as columns: CSV, TSV, JSONL and Parquet, told apart by their suffix."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.base.paths import typed_path

Table = dict[str, list[Any]]
"""Columns by name, in file order, all of the same length; None for a missing cell."""


def read_table(path: str | Path) -> Table:
    """The columns of one file, with unchanged cells.

    Raises UserError for a file that is missing, empty, of an unknown kind or unreadable."""
    file = typed_path(str(path))
    if file.is_dir():
        raise UserError(f"{file} is a folder. Give one file of rows: {_known_suffixes()}.")
    if not file.exists():
        raise UserError(f"There is no file {file}. Check the path.")
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UserError(
            f"{file.name} has the suffix {file.suffix!r}, which is not a known kind. "
            f"Give one of: {_known_suffixes()}."
        )
    try:
        if file.stat().st_size == 0:
            raise UserError(f"{file.name} is empty. Give a file with a header and rows.")
        table = reader(file)
    except UnicodeDecodeError as error:
        raise UserError(f"{file.name} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{file.name} cannot be read ({error.strerror or error}).") from error
    table = _strip_names(table, file)
    if not table or not next(iter(table.values())):
        raise UserError(f"{file.name} has no rows. Give a file with a header and rows.")
    return table


def _known_suffixes() -> str:
    return ", ".join(READERS)


def _strip_names(table: Mapping[Any, list[Any]], file: Path) -> Table:
    names = [str(name).strip() for name in table]
    if len(set(names)) < len(names):
        raise UserError(f"{file.name} has two columns with the same name: {', '.join(names)}. Rename one.")
    return dict(zip(names, table.values(), strict=True))


def _read_tsv(file: Path) -> Table:
    # Parsed here: in the field's TSV files `"` is an ordinary character, and a lone carriage return or a
    # Unicode line separator inside a sentence does not end the row.
    lines = file.read_bytes().decode("utf-8-sig").split("\n")
    rows = [line.removesuffix("\r").split("\t") for line in lines]
    header, width = rows[0], len(rows[0])
    if len({name.strip() for name in header}) < width:
        raise UserError(f"{file.name} has two columns with the same name: {', '.join(header)}. Rename one.")
    columns: Table = {name: [] for name in header}
    for number, row in enumerate(rows[1:], start=2):
        if row == [""] and (width > 1 or number == len(rows)):
            continue
        if len(row) > width:
            raise UserError(
                f"{file.name}, line {number}: {len(row)} cells between tabs, but the header has {width}. "
                "Remove the tabs inside the text."
            )
        for name, cell in zip(header, row + [None] * (width - len(row)), strict=True):
            columns[name].append(cell)
    return columns


def _read_csv(file: Path) -> Table:
    import pandas as pd

    try:
        # `NA` and `null` are words and labels here; only an empty cell is a missing one.
        frame = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except pd.errors.ParserError as error:
        raise UserError(
            f"{file.name} is not readable as CSV ({str(error).strip()}). Quote the texts that contain commas."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{file.name} is empty. Give a file with a header and rows.") from error
    if isinstance(frame.index, pd.MultiIndex) or frame.index.dtype == object or _is_shifted(frame):
        raise UserError(
            f"{file.name}: rows have more cells than the header. Quote the texts that contain commas."
        )
    return _from_frame(frame)


def _is_shifted(frame: Any) -> bool:
    # pandas takes surplus leading cells for an index instead of refusing the row.
    return list(frame.index) != list(range(len(frame)))


def _read_parquet(file: Path) -> Table:
    import pandas as pd

    try:
        return _from_frame(pd.read_parquet(file))
    except (ValueError, NotImplementedError) as error:
        raise UserError(
            f"{file.name} is not a readable Parquet file ({str(error).splitlines()[0]})."
        ) from error


def _from_frame(frame: Any) -> Table:
    present = frame.notna()
    return {
        name: [cell if here else None for cell, here in zip(frame[name].tolist(), present[name], strict=True)]
        for name in frame.columns
    }


def _read_jsonl(file: Path) -> Table:
    rows = []
    for number, line in enumerate(file.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{file.name}, line {number} is not JSON ({error}). Give one object a line."
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"{file.name}, line {number} is a {type(row).__name__}. Give one object a line.")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
