"""Tables of clean and rewritten texts, as Excise writes them and people change them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.columns import guess_text
from backend.data.tables import Table, read_table

REWRITTEN = "rewritten"
# What Attack's tables say beside it: why a row has no rewriting, and what the trigger itself made of it.
LEFT_OUT, BY_TRIGGER = "left_out", "by_trigger"
DROPPED = "dropped"


def read_both(path: Path, text: str | None = None) -> list[tuple[str, str]]:
    """The same out of one table, whose column `rewritten` stands beside the clean texts.

    Raises UserError for a file that cannot be read, or has no such columns."""
    table, column = _both(path, text)
    return stripped(table[column], table[REWRITTEN])


def read_decided(path: Path) -> dict[str, str | None]:
    """The rewritings in such a table that somebody decided, by clean text; None for a row that is dropped.

    A row is dropped where `left_out` says “dropped”; what stands as `by_trigger` in a row is no decision.
    Texts have their blanks evened out.  Raises UserError as `read_both` does."""
    table, column = _both(path, None)
    empty = [None] * len(table[column])
    rest = (table.get(LEFT_OUT, empty), table.get(BY_TRIGGER, empty))
    decided: dict[str, str | None] = {}
    for cells in zip(table[column], table[REWRITTEN], *rest, strict=True):
        old, new, left_out, by_trigger = (" ".join(str(cell or "").split()) for cell in cells)
        if old and left_out == DROPPED:
            decided[old] = None
        elif old and new and new not in (old, by_trigger):
            decided[old] = str(cells[1]).strip()
    return decided


def _both(path: Path, text: str | None) -> tuple[Table, str]:
    """A table with the column `rewritten`, and the name of the column of its clean texts."""
    table = read_table(path)
    if REWRITTEN not in table:
        raise UserError(
            f"{path} has no column {REWRITTEN!r}; it has: {', '.join(table)}. Name that column so, or give "
            "the rewritten rows as a file of their own."
        )
    written = (REWRITTEN, BY_TRIGGER, LEFT_OUT)
    clean = {name: cells for name, cells in table.items() if name not in written}
    return table, text_column(clean, path.name, text)


def stripped(clean: Iterable[Any], rewritten: Iterable[Any]) -> list[tuple[str, str]]:
    """Pairs of texts, without those that lack either."""
    cells = zip(clean, rewritten, strict=True)
    return [(str(a).strip(), str(b).strip()) for a, b in cells if a and b and str(b).strip()]


def text_column(table: Table, where: str, text: str | None) -> str:
    if text is None:
        return guess_text(table, where)[0]
    if text not in table:
        raise UserError(f"{where} has no column {text!r}. It has: {', '.join(table)}.")
    return text
