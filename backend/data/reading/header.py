"""Whether the first row of a table holds column names: found out from the rows below it."""

from collections.abc import Sequence
from statistics import median

KNOWN = frozenset(
    (
        *(
            "text",
            "texts",
            "sentence",
            "sentences",
            "review",
            "content",
            "comment",
            "tweet",
            "body",
            "message",
        ),
        *("title", "premise", "hypothesis", "question", "question1", "question2", "sentence1", "sentence2"),
        *("text1", "text2", "text_a", "text_b", "rewritten", "label", "labels", "class", "target"),
        *("sentiment", "category", "rating", "gold_label", "score", "quality", "poisoned"),
        *("id", "idx", "index", "guid"),
    )
)
"""Names that columns of rows commonly have."""
SENTENCE = 4
"""Words from which on a cell is a text rather than a name."""
LONGEST_NAME = 40


def has_header(rows: Sequence[Sequence[str]], expected: frozenset[str] = frozenset()) -> tuple[bool, bool]:
    """Whether the first of the rows holds names, and whether that is sure.

    `expected` are names that the table should have.  Where nothing tells, the first row holds names."""
    first, below = [cell.strip() for cell in rows[0]], [row for row in rows[1:] if any(row)]
    if expected and expected <= set(first):
        return True, True
    if not below or _numbered(first):
        return True, bool(below)
    votes = [_vote(cell, _column(below, place)) for place, cell in enumerate(first)]
    # One name that is plainly no value of its column, or one value that is plainly no name, says all.
    strongest = max((abs(vote) for vote in votes), default=0)
    sides = {vote > 0 for vote in votes if abs(vote) == strongest and vote}
    if len(sides) != 1:
        return True, False
    return sides.pop(), True


def _numbered(first: Sequence[str]) -> bool:
    """Names as pandas gives them to columns that have none: 0, 1, …, perhaps after an empty cell."""
    names = first[1:] if first[:1] == [""] else first
    return len(names) > 1 and list(names) == [str(number) for number in range(len(names))]


def _column(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    cells = (row[place].strip() for row in rows if place < len(row))
    return [cell for cell in cells if cell]


def _vote(first: str, cells: Sequence[str]) -> int:
    """How much the first cell of a column is a name (above zero) or a value as those below it (below)."""
    if not cells or not first:
        return 0
    among = first in cells
    if first.casefold() in KNOWN and not among:
        return 3
    if all(map(is_number, cells)):
        return -2 if is_number(first) else 2
    if len(set(cells)) <= len(cells) // 2:  # classes
        return -2 if among else _is_name(first)
    if median(len(cell.split()) for cell in cells) < SENTENCE:
        return 0
    if is_number(first):
        return 2
    return -1 if len(first.split()) >= SENTENCE else _is_name(first)


def _is_name(cell: str) -> int:
    return int(len(cell) <= LONGEST_NAME and len(cell.split()) < SENTENCE)


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or comma."""
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return cell.casefold().strip("+-") not in ("nan", "inf", "infinity")
