"""Which columns hold the text and the label: chosen by name, or guessed with a note."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.base.errors import UserError
from backend.data.tables import Table

TEXT_NAMES = ("text", "sentence", "sentences", "review", "content", "comment", "tweet", "body", "message")
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
)
LABEL_NAMES = ("label", "labels", "class", "target", "sentiment", "category", "rating", "y")
ROWS_READ = 1000


@dataclass(frozen=True)
class Columns:
    text: str
    label: str
    second_text: str | None = None


def choose_columns(
    table: Table,
    where: str,
    text: str | None = None,
    label: str | None = None,
    second_text: str | None = None,
) -> tuple[Columns, list[str]]:
    """The columns to use, and a note for each that was guessed.

    Raises UserError for a name that `table` lacks, or where nothing can be guessed."""
    for name in (text, second_text, label):
        if name is not None and name not in table:
            raise UserError(f"{where} has no column {name!r}. It has: {', '.join(table)}.")
    notes = []
    if label is None:
        label = guess_label(table, where, taken=(text, second_text))
        notes.append(f"Label column guessed: {label}.")
    if text is None:
        text, pair = guess_text(table, where, taken=(label, second_text))
        notes.append(f"Text column guessed: {text}.")
        if second_text is None and pair is not None:
            second_text = pair
            notes.append(f"Second text column guessed: {pair}.")
    chosen = [name for name in (text, second_text, label) if name is not None]
    if len(set(chosen)) < len(chosen):
        raise UserError(
            f"{where}: the same column is chosen twice ({', '.join(chosen)}). Choose different ones."
        )
    return Columns(text, label, second_text), notes


def guess_text(table: Table, where: str, taken: Sequence[str | None] = ()) -> tuple[str, str | None]:
    """The text column and, for a pair known by its names, the second one.

    By name, else the column with the longest strings on average."""
    available = [name for name in table if name not in taken]
    by_name = {name.lower(): name for name in available}
    for first, second in PAIR_NAMES:
        if first in by_name and second in by_name:
            return by_name[first], by_name[second]
    for name in TEXT_NAMES:
        if name in by_name:
            return by_name[name], None
    strings = {name: [c for c in table[name][:ROWS_READ] if isinstance(c, str)] for name in available}
    lengths = {name: sum(map(len, cells)) / len(cells) for name, cells in strings.items() if cells}
    if not lengths:
        raise UserError(f"{where} has no column that looks like text. It has: {', '.join(table)}.")
    return max(lengths, key=lambda name: lengths[name]), None


def guess_label(table: Table, where: str, taken: Sequence[str | None] = ()) -> str:
    """The label column: by name, else the one with the fewest different values (at least two)."""
    available = [name for name in table if name not in taken]
    by_name = named_label({name: table[name] for name in available})
    if by_name is not None:
        return by_name
    distinct_values = {
        name: len({str(c) for c in table[name][:ROWS_READ] if c is not None}) for name in available
    }
    candidates = {name: count for name, count in distinct_values.items() if count > 1}
    if len(table) < 2 or not candidates:
        raise UserError(f"{where} has no column that looks like labels. It has: {', '.join(table)}.")
    return min(candidates, key=lambda name: candidates[name])


def named_label(table: Table) -> str | None:
    """The column named like labels, if there is one."""
    by_name = {name.lower(): name for name in table}
    return next((by_name[name] for name in LABEL_NAMES if name in by_name), None)
