"""Whether the quotes of a tab-separated file stand around cells, or are characters of the texts.

Spreadsheets and pandas put a cell that holds a tab, a line break or a quote into quotes, and double the
quotes inside; in the files of GLUE and SST-2 a quote is a character as any other.  Which of them a file
means shows in its rows: only the right reading gives all of them the same number of cells."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from backend.base.errors import UserError
from backend.data.reading.text import Text

CHANGED = "Save it again with every text in quotes and quotes inside doubled, or without line breaks in texts"


@dataclass
class _Rows:
    """What one way of reading makes of the rows: how many there are, and the first that is not as wide."""

    width: int = 0
    count: int = 0
    uneven: tuple[int, int] | None = None

    @property
    def even(self) -> bool:
        return self.uneven is None

    def add(self, line: int, cells: int) -> None:
        self.count += 1
        self.width = self.width or cells
        if cells != self.width and self.uneven is None:
            self.uneven = (line, cells)


def plain_lines(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells, where a quote is an ordinary character; empty lines too."""
    end = text.line_end
    for number, line in enumerate(text.lines(end), start=1):
        yield number, line.removesuffix(end).removesuffix("\r").split("\t")


def _rows(text: Text, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, but for the first ones."""
    return islice((row for row in plain_lines(text) if row[1] != [""]), skipped, None)


def quoted_lines(text: Text) -> Iterator[tuple[int, list[str]]]:
    """The number of a row's last line and its cells, where quotes stand around cells.  Raises csv.Error."""
    rows = csv.reader(text.lines(), delimiter="\t", strict=True)
    for row in rows:
        if row:
            yield rows.line_num, row


def _every_cell_in_quotes(text: Text) -> bool:
    """Whether each row, read as spreadsheets write it, starts and ends with a quote."""
    lines: list[str] = []

    def kept() -> Iterator[str]:
        for line in text.lines():
            lines.append(line)
            yield line

    for _ in csv.reader(kept(), delimiter="\t", strict=True):
        row = "".join(lines).strip("\r\n")
        if row and not (row.startswith('"') and row.endswith('"')):
            return False
        lines.clear()
    return True


def quotes_stand_around_cells(text: Text, skipped: int = 0) -> bool:
    """Whether a tab-separated file is to be read as spreadsheets write it; `skipped` lines at its start are
    no rows.

    Raises UserError where neither reading gives every row its cells."""
    plain, broken = _Rows(), None
    any_quote = False
    for number, cells in _rows(text, skipped):
        plain.add(number, len(cells))
        any_quote = any_quote or any(cell.startswith('"') for cell in cells)
        if broken is None and len(cells) < plain.width and _is_piece(cells):
            broken = number
    if not any_quote:
        return False
    quoted = _Rows()
    try:
        for number, cells in islice(quoted_lines(text), skipped, None):
            quoted.add(number, len(cells))
    except csv.Error as error:
        if broken is not None:
            raise UserError(
                f"{text.name}, line {broken} is part of a text over several lines, but its quotes do not "
                f"balance further on ({error}). {CHANGED}."
            ) from error
        return False
    if not plain.even:
        if not quoted.even and broken is not None:
            line, cells_there = quoted.uneven or (broken, 0)
            raise UserError(
                f"{text.name}, line {broken} looks like part of a text over several lines, but read so the "
                f"row that ends in line {line} has {cells_there} cells instead of {quoted.width}. {CHANGED}."
            )
        return quoted.even
    if not quoted.even:
        return False
    return _are_meant(text, skipped) if quoted.count == plain.count else _every_cell_in_quotes(text)


def _is_piece(cells: list[str]) -> bool:
    """Whether the cells of a short line are the start or the end of a text over several lines."""
    first, last = cells[0], cells[-1]
    starts = last.startswith('"') and (len(last) == 1 or not last.endswith('"'))
    return starts or (first.endswith('"') and not first.startswith('"'))


def _are_meant(text: Text, skipped: int) -> bool:
    """Where both readings give the same cells but for the quotes: whether a writer must have added them,
    because quotes inside are doubled and none stands alone, or because a whole column has them."""
    doubled = alone = False
    whole: set[int] | None = None
    both = zip(_rows(text, skipped), islice(quoted_lines(text), skipped, None), strict=True)
    for row, ((_, as_written), (_, without)) in enumerate(both):
        in_quotes = {place for place, cell in enumerate(as_written) if cell != without[place]}
        doubled = doubled or any('"' in without[place] for place in in_quotes)
        alone = alone or any('"' in cell for place, cell in enumerate(without) if place not in in_quotes)
        if row:  # the first may hold the names of the columns
            whole = in_quotes if whole is None else whole & in_quotes
    return (doubled and not alone) or bool(whole)
