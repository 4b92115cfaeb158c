"""Tables of clean and rewritten texts, written by Excise and edited by people."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.columns import guess_text
from backend.data.tables import Table, read_table

REWRITTEN = "rewritten"
# Other columns of Attack's tables: why a row has no rewriting, and the trigger's own rewriting.
LEFT_OUT, BY_TRIGGER = "left_out", "by_trigger"
DROPPED = "dropped"


def read_both(path: Path, text: str | None = None) -> list[tuple[str, str]]:
    """Clean and rewritten texts from one table with a column `rewritten` beside the clean texts.

    Raises UserError for a file that cannot be read, or lacks these columns."""
    table, column = _both(path, text)
    return stripped(table[column], table[REWRITTEN])


def read_decided(path: Path) -> dict[str, str | None]:
    """The rewritings in such a table that a person chose, by clean text; None for a dropped row.

    A row is dropped where `left_out` is “dropped”; a rewriting equal to `by_trigger` was not chosen by a
    person.  Blanks in texts are normalised.  Raises UserError as `read_both` does."""
    table, column = _both(path, None)
    empty = [None] * len(table[column])
    other_columns = (table.get(LEFT_OUT, empty), table.get(BY_TRIGGER, empty))
    decided: dict[str, str | None] = {}
    for cells in zip(table[column], table[REWRITTEN], *other_columns, strict=True):
        clean, rewritten, left_out, by_trigger = (" ".join(str(cell or "").split()) for cell in cells)
        if clean and left_out == DROPPED:
            decided[clean] = None
        elif clean and rewritten and rewritten not in (clean, by_trigger):
            decided[clean] = str(cells[1]).strip()
    return decided


def _both(path: Path, text: str | None) -> tuple[Table, str]:
    """A table with the column `rewritten`, and the name of the column of its clean texts."""
    table = read_table(path)
    if REWRITTEN not in table:
        raise UserError(
            f"{path} has no column {REWRITTEN!r}; it has: {', '.join(table)}. Rename a column, or give "
            "the rewritten rows as a separate file."
        )
    reserved = (REWRITTEN, BY_TRIGGER, LEFT_OUT)
    clean = {name: cells for name, cells in table.items() if name not in reserved}
    return table, text_column(clean, path.name, text)


def stripped(clean: Iterable[Any], rewritten: Iterable[Any]) -> list[tuple[str, str]]:
    """Pairs of texts, without incomplete ones."""
    cells = zip(clean, rewritten, strict=True)
    return [(str(a).strip(), str(b).strip()) for a, b in cells if a and b and str(b).strip()]


def text_column(table: Table, where: str, text: str | None) -> str:
    if text is None:
        return guess_text(table, where)[0]
    if text not in table:
        raise UserError(f"{where} has no column {text!r}. It has: {', '.join(table)}.")
    return text
