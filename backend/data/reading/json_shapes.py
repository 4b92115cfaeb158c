"""JSON files: one object a line, a list of records, or an object that holds rows in one of pandas' shapes."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from backend.base.errors import UserError
from backend.data.reading.bounds import (
    DEEPEST,
    LONGEST_LINE,
    MOST_BYTES_OF_A_DOCUMENT,
    require_bytes,
    require_cell,
    require_cells,
    require_columns,
    require_rows,
)
from backend.data.reading.table import WHOLE, Reading, Table
from backend.data.reading.text import Text

LINES_OF_JSON = (".jsonl", ".ndjson")
ADVICE = "Save it as JSON Lines (pandas: to_json(path, orient='records', lines=True))."
Record = dict[str, Any]


def read_json(text: Text, suffix: str) -> Reading:
    """The columns of a JSON file; its shape is found out.

    Raises UserError for what is not JSON, holds no rows, or is larger than what is read."""
    start = text.open().read(1 << 16).lstrip()
    if _is_in_lines(text, start):
        table = _of_records(text.name, _lines(text), "line")
        shape = "JSON Lines, one object a line"
        if suffix in LINES_OF_JSON and text.said == "UTF-8":
            return Reading({WHOLE: table})
    elif suffix in LINES_OF_JSON and start.startswith("[") and not _holds_records(start):
        line, value = next(_lines(text))
        raise UserError(f"{text.name}, line {line} is a {type(value).__name__}. Give one object a line.")
    else:
        table, shape = _of_document(text)
    return Reading({WHOLE: table}, [f"{text.name} is read as {shape}, in {text.said}."])


def is_json(text: Text) -> bool:
    """Whether a text file of no known suffix starts as JSON does that holds rows."""
    start = text.open().read(1 << 16).lstrip()
    if not start.startswith("{"):
        return _holds_records(start)
    try:
        next(_lines(text))
    except UserError:
        return False
    return True


def _holds_records(start: str) -> bool:
    return start.startswith("[") and start[1:].lstrip()[:1] in ("{", "[")


def _is_in_lines(text: Text, start: str) -> bool:
    """Whether the first line is an object by itself and, if it is the only one, holds no rows itself."""
    if not start.startswith("{"):
        return not start.startswith("[")  # then it is no JSON, and its first line is named
    stream = text.open("\n")
    first = stream.readline(LONGEST_LINE + 1)
    while not first.strip():
        first = stream.readline(LONGEST_LINE + 1)
    if len(first) > LONGEST_LINE:
        return False
    second = next((line for line in iter(lambda: stream.readline(1 << 10), "") if line.strip()), None)
    try:
        record = _parsed(text.name, first)
    except (ValueError, RecursionError):
        return second is None or second.lstrip().startswith("{")
    return second is not None or not any(isinstance(value, list | dict) for value in record.values())


def _parsed(where: str, text: str) -> Any:
    # A small text can unfold to many values, and each is at least this many characters.
    require_cells(where, text.count(",") + text.count("[") + text.count("{"))
    return json.loads(text, parse_constant=lambda _: None)


def _lines(text: Text) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.lines("\n"), start=1):
        if not line.strip():
            continue
        where = f"{text.name}, line {number}"
        try:
            yield number, _parsed(where, line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON ({error}). Give one object a line.") from error


def _of_records(name: str, records: Iterable[tuple[int, Any]], what: str) -> Table:
    """Columns of the records, in the order in which names come; None where a record lacks one.

    Counted before it is built: each new name is a cell for every row."""
    columns: Table = {}
    inner = 0
    for rows, (number, record) in enumerate(records):
        where = f"{name}, {what} {number}"
        if not isinstance(record, dict):
            raise UserError(f"{where} is a {type(record).__name__}. Give one object a {what}.")
        require_columns(name, len(columns.keys() | record.keys()))
        for column, cell in record.items():
            inner += _weight(where, cell)
            columns.setdefault(column, [None] * rows).append(cell)
        require_rows(name, rows + 1, len(columns))
        require_cells(name, (rows + 1) * len(columns) + inner)
        for cells in columns.values():
            if len(cells) == rows:
                cells.append(None)
    return columns


def _weight(where: str, cell: Any) -> int:
    """How many values are inside a cell.  Raises UserError for a text or a nesting beyond the bounds."""
    if isinstance(cell, str):
        require_cell(where, len(cell))
        return 0
    if not isinstance(cell, list | dict):
        return 0
    inside = 0
    level: list[Any] = [cell]
    for _ in range(DEEPEST):
        values = [v for part in level for v in (part.values() if isinstance(part, dict) else part)]
        inside += len(values)
        level = [value for value in values if isinstance(value, list | dict)]
        if not level:
            return inside
    raise UserError(f"{where}: a cell has more than {DEEPEST} lists or objects inside each other. {ADVICE}")


def _of_document(text: Text) -> tuple[Table, str]:
    """The columns of a file that is one JSON value, and the shape that they were in."""
    require_bytes(text.name, len(text.raw), MOST_BYTES_OF_A_DOCUMENT, ADVICE)
    try:
        document = _parsed(text.name, text.open().read())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{text.name} is not JSON ({error}). {ADVICE}") from error
    if isinstance(document, list):
        return _of_list(text.name, document), "a JSON list of records"
    if not isinstance(document, dict):
        raise UserError(f"{text.name} holds a {type(document).__name__}, no rows. {ADVICE}")
    return _of_object(text.name, document)


def _of_list(name: str, rows: list[Any], names: list[Any] | None = None) -> Table:
    """Columns of a list of records, or of a list of lists of cells."""
    if rows and isinstance(rows[0], list):
        width = len(rows[0])
        names = names or [f"column {number}" for number in range(1, width + 1)]
        fits = [isinstance(row, list) and len(row) == len(names) for row in rows]
        if not all(fits):
            raise UserError(
                f"{name}, record {fits.index(False) + 1} has not one cell for each of its {len(names)} "
                f"columns. {ADVICE}"
            )
        require_columns(name, width)
        labels = [str(column) for column in names]
        rows = [dict(zip(labels, row, strict=True)) for row in rows]
    return _of_records(name, enumerate(rows, start=1), "record")


def _of_object(name: str, document: Record) -> tuple[Table, str]:
    """Columns of an object: pandas' shapes “split”, “list”, “columns” and “index”, or one list of records."""
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        return _of_list(name, document["data"], document["columns"]), "a JSON object of columns and data"
    lists = {key: value for key, value in document.items() if _is_records(value)}
    if len(lists) == 1:
        key, rows = next(iter(lists.items()))
        return _of_list(name, rows), f"a JSON object whose rows are in “{key[:40]}”"
    if len(lists) > 1:
        raise UserError(
            f"{name} is a JSON object with several lists of records: {', '.join(list(lists)[:8])}. "
            "Save each as a file, and give them as training, validation and test rows."
        )
    values = list(document.values())
    if values and all(isinstance(value, list) for value in values):
        return _of_columns(name, document), "a JSON object of columns"
    if values and all(isinstance(value, dict) for value in values):
        return _of_objects(name, document)
    raise UserError(
        f"{name} is a JSON object without rows that are found; it has: {', '.join(list(document)[:8])}. "
        f"{ADVICE}"
    )


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _of_columns(name: str, columns: dict[str, list[Any]]) -> Table:
    require_columns(name, len(columns))
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{column}: {length}" for column, length in list(lengths.items())[:8])
        raise UserError(f"{name} has columns of different lengths ({said}). {ADVICE}")
    rows = (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))
    return _of_records(name, enumerate(rows, start=1), "row")


def _of_objects(name: str, document: dict[str, dict[str, Any]]) -> tuple[Table, str]:
    """Columns by row number, as pandas writes by default, or records by row number."""
    by_row = all(key.isdecimal() for value in document.values() for key in value)
    if not by_row:
        return _of_records(name, enumerate(document.values(), start=1), "record"), "a JSON object of records"
    require_columns(name, len(document))
    numbers = list(dict.fromkeys(number for cells in document.values() for number in cells))
    require_rows(name, len(numbers), len(document))
    rows = ({column: cells.get(number) for column, cells in document.items()} for number in numbers)
    return _of_records(name, enumerate(rows, start=1), "row"), "a JSON object of columns by row number"
