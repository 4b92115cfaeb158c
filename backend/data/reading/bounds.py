"""How large a file may be: small files can unfold to more than a machine holds, so all is counted first.

A cell takes some 60 bytes beside its text, and a text lies in memory up to three times while rows are cut
into splits, so a file at all of these bounds takes about 5 GB."""

from backend.base.errors import UserError

MOST_BYTES = 1 << 30
"""Of a file, unpacked, and of all texts of a file together."""
MOST_BYTES_OF_A_DOCUMENT = 1 << 28
"""Of a JSON file that is not in lines, and so has to be taken in as a whole."""
MOST_ROWS = 2_000_000
MOST_COLUMNS = 1_000
MOST_CELLS = 20_000_000
MOST_CHARACTERS = 1_000_000
"""Of one cell."""
LONGEST_LINE = 1 << 25
"""Characters of one line."""
DEEPEST = 50
"""Lists and objects inside each other in a cell."""

SMALLER = "Leave out rows or columns that are not needed, or split the file."


def size_text(count: int) -> str:
    """Bytes in a suitable unit."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def require_bytes(where: str, count: int, most: int | None = None, advice: str = SMALLER) -> None:
    """Raise UserError for a file of more than so many bytes (`MOST_BYTES`)."""
    most = MOST_BYTES if most is None else most
    if count > most:
        raise UserError(f"{where} holds more than {size_text(most)}, the most that is read. {advice}")


def require_columns(where: str, count: int) -> None:
    """Raise UserError for more columns than are read."""
    if count > MOST_COLUMNS:
        raise UserError(
            f"{where} has {count:,} columns or more; at most {MOST_COLUMNS:,} are read. "
            "Leave out those that are not needed; a file of rows needs a text and a label."
        )


def require_rows(where: str, rows: int, columns: int) -> None:
    """Raise UserError for more rows, or more cells, than are read."""
    if rows > MOST_ROWS:
        raise UserError(f"{where} has more than {MOST_ROWS:,} rows, the most that are read. {SMALLER}")
    require_cells(where, rows * columns)


def require_cells(where: str, cells: int) -> None:
    """Raise UserError for more cells (the values within a cell count too) than are read."""
    if cells > MOST_CELLS:
        raise UserError(f"{where} has more than {MOST_CELLS:,} cells, the most that are read. {SMALLER}")


def require_cell(where: str, characters: int) -> None:
    """Raise UserError for a cell that is longer than any text."""
    if characters > MOST_CHARACTERS:
        raise UserError(
            f"{where}: one cell has more than {MOST_CHARACTERS:,} characters, the most that are read. "
            "If a quote or line break is missing before it, mend that; else shorten the text."
        )
