"""Which character stands between the cells of a text file: found out from its first lines."""

import csv
from collections.abc import Sequence

from backend.spec.run import SEPARATORS

NAMES = {character: name for name, character in SEPARATORS.items()}
STEADY = 0.9
"""The share of rows as wide as the first that a separator needs against that of the file's suffix."""


def found_separator(lines: Sequence[str], usual: str) -> str:
    """The separator that cuts the lines into rows of one width; `usual`, that of the file's suffix, where it
    does so too, or none does.  Of two that do, one with a blank behind it is rather a comma in a text.
    Leading lines of comment are passed over."""
    starts = {0, leading_comments(lines)}
    fits = {
        separator: max(_fit(lines[start:], separator) for start in starts)
        for separator in (usual, *(other for other in NAMES if other != usual))
    }
    best = max(fits, key=lambda separator: fits[separator])  # the usual one where several are equal
    return best if fits[best][0] >= STEADY else usual


def leading_comments(lines: Sequence[str]) -> int:
    """How many lines at the start begin with `#`; none if all do."""
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return count if count < len(lines) else 0


def comments_above(lines: Sequence[str], separator: str) -> int:
    """How many lines at the start are comments: they begin with `#` and are not as wide as the row below."""
    count = leading_comments(lines)
    if not count:
        return 0
    widths = [len(row) for row in rows_of(lines[: count + 1], separator)]
    return count if len(widths) == count + 1 and widths[-1] not in widths[:-1] else 0


def rows_of(lines: Sequence[str], separator: str) -> list[list[str]]:
    """A sample of rows: cells in quotes may hold separators and line breaks."""
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return plain_rows(lines, separator)


def plain_rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """A sample of rows in which a quote is an ordinary character."""
    return [line.rstrip("\r\n").split(separator) for line in lines if line.strip("\r\n")]


def _fit(lines: Sequence[str], separator: str) -> tuple[float, bool]:
    """The share of rows as wide as the first, none where that has one cell; and whether most cells behind a
    separator begin without a blank."""
    readings = [rows_of(lines, separator)]
    if separator == "\t":
        readings.append(plain_rows(lines, separator))
    fits = [(0.0, False)]
    for rows in readings:
        if rows and len(rows[0]) > 1:
            share = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            behind = [cell for row in rows for cell in row[1:]]
            fits.append((share, 2 * sum(cell.startswith(" ") for cell in behind) < len(behind)))
    return max(fits)
