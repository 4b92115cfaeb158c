"""Text files of rows with a separator between the cells: CSV, TSV and their kin."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, zip_longest

from backend.base.errors import UserError
from backend.base.numbers import count
from backend.data.reading.bounds import MOST_CHARACTERS, require_cell, require_columns, require_rows
from backend.data.reading.header import has_header
from backend.data.reading.quotes import plain_lines, quoted_lines, quotes_stand_around_cells
from backend.data.reading.separator import NAMES, comments_above, found_separator
from backend.data.reading.table import WHOLE, How, Reading, Table
from backend.data.reading.text import Text

SAMPLE_LINES = 200
SAMPLE_CHARACTERS = 1 << 18
LISTED = 8
HINT = "To say otherwise, set data.separator, data.encoding or data.header."
USUAL = {".tsv": "\t", ".tab": "\t", ".txt": "\t"}
"""The separator by suffix; a comma for the others."""

Lines = Iterator[tuple[int, list[str]]]


def read_delimited(text: Text, suffix: str, how: How) -> Reading:
    """The columns of a text file, with unchanged cells: an empty cell is None, in tab-separated files "".

    Raises UserError naming the line that has too many cells, whose quotes do not balance, or where the
    file is larger than what is read."""
    lines = _sample(text)
    if not lines:
        raise UserError(f"{text.name} is empty. Give a file with a header and rows.")
    declared = _declared(lines[0])  # as Excel writes it
    skipped = int(declared is not None)
    usual = USUAL.get(suffix, ",")
    with _long_cells():
        separator = how.separator or declared or found_separator(lines, usual)
        comments = comments_above(lines[skipped:], separator)
        in_quotes = separator != "\t" or quotes_stand_around_cells(text, skipped + comments)
        rows = _reader(text, separator, in_quotes, skipped + comments)
        table, header, notes = _columns(text.name, rows, separator, how)
    what = f"{text.name} is read as {NAMES[separator]}-separated text in {text.said}, {header}."
    plain = separator == usual and text.said.startswith("UTF-8") and "without" not in header
    notes = [what if plain else f"{what} {HINT}", *notes]
    if comments:
        said = lines[skipped].strip()[:40]
        notes.append(f"{text.name}: {count(comments, 'line')} of comment at the start left out (“{said}”).")
    if separator == "\t" and in_quotes:
        notes.append(
            f"{text.name}: quotes around a cell are taken off, and doubled ones inside are single ones, "
            "as spreadsheets and pandas write them."
        )
    return Reading({WHOLE: table}, notes)


def _sample(text: Text) -> list[str]:
    """The first lines, whole ones; blank ones left out."""
    sample: list[str] = []
    size = 0
    for line in text.lines(newline="" if text.line_end == "\n" else "\r"):
        size += len(line)
        if len(sample) >= SAMPLE_LINES or (sample and size > SAMPLE_CHARACTERS):
            break
        if line.strip():
            sample.append(line)
    return sample


def _declared(line: str) -> str | None:
    """The separator that a first line such as `sep=;` names."""
    name, _, separator = line.rstrip("\r\n").partition("=")
    return separator if name.casefold() == "sep" and separator in NAMES else None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells up to the bound that counts here; the module's own is lower."""
    before = csv.field_size_limit(MOST_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _reader(text: Text, separator: str, in_quotes: bool, skipped: int) -> Callable[[], Lines]:
    """A function that gives the rows from the first on: line numbers and cells, empty lines left out."""
    if separator != "\t":
        return lambda: islice(_quoted_rows(text, separator), skipped, None)
    if in_quotes:
        return lambda: islice(quoted_lines(text), skipped, None)
    return lambda: islice(_plain_rows(text), skipped, None)


def _plain_rows(text: Text) -> Lines:
    """Every row; an empty line counts only as the row of a single column, and not at the end."""
    width = 0
    waiting: list[tuple[int, list[str]]] = []
    for number, cells in plain_lines(text):
        width = width or (len(cells) if cells != [""] else 0)
        if cells == [""]:
            if width == 1:
                waiting.append((number, cells))
            continue
        yield from waiting
        waiting = []
        yield number, cells


def _quoted_rows(text: Text, separator: str) -> Lines:
    """Every row; cells in quotes may hold separators and line breaks.

    Raises UserError for a quote that would swallow the lines after it."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text.lines():
            taken.append(line)
            yield line
        yield END

    rows = csv.reader(lines(), delimiter=separator)
    try:
        for row in rows:
            if row == [END]:
                return
            if row and row[-1].endswith(END):
                raise _open_quote(text, rows.line_num - len(taken), separator)
            if len(taken) > 1:
                _require_closed(text, taken, rows.line_num - len(taken) + 1, separator)
            taken.clear()
            if len(row) > 1 or (row and row[0].strip()):
                yield rows.line_num, row
    except csv.Error as error:
        line = rows.line_num - len(taken) + 1
        if "field larger" in str(error) and len(taken) > 1:
            raise _open_quote(text, line, separator) from error
        if "field larger" in str(error):
            require_cell(f"{text.name}, line {line}", MOST_CHARACTERS + 1)
        raise UserError(
            f"{text.name}, line {line} is not readable as {NAMES[separator]}-separated text ({error})."
        ) from error


END = "\N{NULL}end of file\N{NULL}"


def _require_closed(text: Text, lines: Sequence[str], number: int, separator: str) -> None:
    """Raise UserError unless the quotes of a row over several lines stand around whole cells."""
    try:
        rows = list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        rows = []
    if len(rows) != 1 and any(line.strip() for line in lines):
        raise _open_quote(text, number, separator)


def _open_quote(text: Text, number: int, separator: str) -> UserError:
    return UserError(
        f"{text.name}, line {number}: a quote opens a cell there and does not close at a cell's end, so the "
        f"lines after it would be lost. Double the quotes inside texts, quote the texts that contain "
        f"{NAMES[separator]}s, or remove the stray quote."
    )


def _columns(name: str, rows: Callable[[], Lines], separator: str, how: How) -> tuple[Table, str, list[str]]:
    """The columns, what was made of the first row, and notes on rows that are not as wide as it."""
    sample = [cells for _, cells in islice(rows(), SAMPLE_LINES)]
    if not sample:
        raise UserError(f"{name} is empty. Give a file with a header and rows.")
    width = len(sample[0])
    require_columns(name, width)
    header, sure = (how.header, True) if how.header is not None else has_header(sample, how.names)
    names, notes = _names(name, sample[0], separator) if header else (_numbered_names(width), [])
    columns: list[list[str | None]] = [[] for _ in names]
    short: list[int] = []
    for number, cells in islice(rows(), int(header), None):
        where = f"{name}, line {number}"
        if len(cells) > width:
            _require_empty(where, cells[width:], len(cells), width, separator)
        elif len(cells) < width:
            short.append(number)
        for column, cell in zip_longest(columns, cells[:width]):
            if cell is not None:
                require_cell(where, len(cell))
            column.append(cell if cell or separator == "\t" else None)
        require_rows(name, len(columns[0]), width)
    if short:
        shown = ", ".join(map(str, short[:3])) + (" …" if len(short) > 3 else "")
        notes.append(
            f"{name}: {count(len(short), 'line')} with fewer cells than the first line ({shown}); the cells "
            "that are missing are empty."
        )
    return dict(zip(names, columns, strict=True)), _said_of(names, header, sure), notes


def _said_of(names: Sequence[str], header: bool, sure: bool) -> str:
    listed = ", ".join(names[:LISTED]) + (" …" if len(names) > LISTED else "")
    if not header:
        return f"without column names: the first line is a row, and the columns are called {listed}"
    doubt = "" if sure else "; if that line is a row, set data.header to no"
    return f"with column names in the first line ({listed}{doubt})"


def _numbered_names(width: int) -> list[str]:
    return [f"column {number}" for number in range(1, width + 1)]


def _names(name: str, first: Sequence[str], separator: str) -> tuple[list[str], list[str]]:
    """The names in the first row.  One that is missing is called as pandas calls it; a second one of the same
    name too, but in tab-separated files, where it is an error."""
    names = [cell.strip() or f"Unnamed: {place}" for place, cell in enumerate(first)]
    if len(set(names)) == len(names):
        return names, []
    if separator == "\t" or len(set(first)) == len(first):
        raise UserError(f"{name} has two columns with the same name: {', '.join(names)}. Rename one.")
    renamed: list[str] = []
    for column in names:
        again = 0
        while (new := f"{column}.{again}" if again else column) in renamed or (again and new in names):
            again += 1
        renamed.append(new)
    changed = ", ".join(new for new, old in zip(renamed, names, strict=True) if new != old)
    return renamed, [f"{name} has columns of the same name; those that come again are called {changed}."]


def _require_empty(where: str, surplus: Sequence[str], cells: int, width: int, separator: str) -> None:
    """Raise UserError for cells beyond the columns, unless nothing is in them."""
    if not any(cell.strip() for cell in surplus):
        return
    if separator == "\t":
        raise UserError(
            f"{where}: {cells} cells between tabs, but the header has {width}. "
            "Remove the tabs inside the text."
        )
    raise UserError(
        f"{where}: {cells} cells, but the first line has {width}, so rows have more cells than the header. "
        f"Quote the texts that contain {NAMES[separator]}s."
    )
