"""Which columns hold the text and the label: chosen by name, else guessed with a note, else asked about.

A column is the label where its name says so, or where it alone could be one (`could_be_label`).  An index
and a poison flag never are.  What is not plain is not guessed: the message lists the columns and how to
choose."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from backend.base.errors import UserError
from backend.data.label_cells import label_key
from backend.data.tables import Table

TEXT_NAMES = ("text", "sentence", "sentences", "review", "content", "comment", "tweet", "body", "message")
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("1string", "2string"),
    ("string1", "string2"),
    ("sentencea", "sentenceb"),
    ("query", "passage"),
    ("question", "answer"),
)
"""Compared without case, blanks and signs: `#1 String` is `1string`."""
LABEL_NAMES = (
    *("label", "labels", "class", "target", "sentiment", "category", "rating", "y"),
    *("gold_label", "class index", "polarity", "is_duplicate"),
)
INDEX_NAMES = ("", "index", "idx", "id", "guid", "uid", "row", "unnamed0", "pairid", "textid", "sentenceid")
POISON_FLAG = re.compile(r"(is_?)?(poison(ed)?|backdoor(ed)?|trigger(ed)?)(_?(label|flag|mask))?")
OPENBACKDOOR = (["", "0", "1", "2"], ["unnamed0", "0", "1", "2"], ["0", "1", "2"])
"""Names of the columns that OpenBackdoor saves: perhaps an index, then text, label and poison flag."""
MOST_CLASSES = 50
LISTED = 20
EXAMPLE_LENGTH = 30
HOW = "data.text, data.second_text and data.label (on the page: Columns, row counts, split)"


@dataclass(frozen=True)
class Columns:
    """Names of columns; `poison_flag` is one that marks poisoned rows with 1, and is never the label."""

    text: str
    label: str
    second_text: str | None = None
    poison_flag: str | None = None


def choose_columns(
    table: Table,
    where: str,
    text: str | None = None,
    label: str | None = None,
    second_text: str | None = None,
) -> tuple[Columns, list[str]]:
    """The columns to use, and notes on those that were guessed.

    Raises UserError for a name that `table` lacks, and where text or label is not plain."""
    for name in (text, second_text, label):
        if name is not None and name not in table:
            raise UserError(f"{where} has no column {name!r}. It has: {', '.join(table)}.")
    notes = []
    flag = poison_flag(table, taken=(text, label, second_text))
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
    if notes:
        notes.append(f"Other columns are chosen with {HOW}.")
    if flag is not None:
        notes.append(_flagged(table, flag))
    return Columns(text, label, second_text, flag), notes


def guess_text(table: Table, where: str, taken: Sequence[str | None] = ()) -> tuple[str, str | None]:
    """The text column and, for a pair known by its names, the second one.

    By name, else the column with the longest strings, at least twice as long on average as any other's.
    Raises UserError where there is none, or no such difference."""
    available = {name: cells for name, cells in table.items() if name not in taken}
    if _is_openbackdoor(table):
        return list(table)[-3], None
    by_name = {_plain(name): name for name in available}
    for first, second in PAIR_NAMES:
        if first in by_name and second in by_name:
            return by_name[first], by_name[second]
    for name in TEXT_NAMES:
        if name in by_name:
            return by_name[name], None
    strings = {name: [c for c in cells if isinstance(c, str)] for name, cells in available.items()}
    lengths = {name: sum(map(len, cells)) / len(cells) for name, cells in strings.items() if cells}
    if not lengths:
        raise UserError(f"{where} has no column that looks like text. {_listed(table)} Choose with {HOW}.")
    longest, *others = sorted(lengths, key=lambda name: -lengths[name])
    alike = [name for name in others if 2 * lengths[name] > lengths[longest] and _has_sentences(table[name])]
    if alike:
        raise UserError(
            f"{where}: {_names([longest, *alike])} could each be the text, or one of two texts. Choose with "
            f"{HOW}. {_listed(table)}"
        )
    return longest, None


def guess_label(table: Table, where: str, taken: Sequence[str | None] = ()) -> str:
    """The label column: by name, else the only one that could be (see `could_be_label`).

    Raises UserError where there is none, or more than one."""
    available = {name: cells for name, cells in table.items() if name not in taken}
    by_name = named_label(available)
    if by_name is not None:
        return by_name
    candidates = [name for name, cells in available.items() if could_be_label(name, cells)]
    if len(candidates) == 1 and len(table) > 1:
        return candidates[0]
    if not candidates or len(table) < 2:
        raise UserError(
            f"{where} has no label column: no column that looks like labels. {_listed(table)} Add the "
            f"column, or choose with {HOW}."
        )
    raise UserError(
        f"{where}: {_names(candidates)} could each be the label. Choose one with data.label (on the page: "
        f"Columns, row counts, split). {_listed(table)}"
    )


def named_label(table: Table) -> str | None:
    """The column named like labels, if there is one."""
    if _is_openbackdoor(table):
        return list(table)[-2]
    by_name = {_plain(name): name for name in table if not is_poison_flag(name, table[name])}
    return next((by_name[_plain(name)] for name in LABEL_NAMES if _plain(name) in by_name), None)


def could_be_label(name: str, cells: Sequence[Any]) -> bool:
    """Whether a column without a telling name holds classes: 2 to 50 different values, each of some rows,
    that are neither sentences nor decimals; no index, no poison flag."""
    if _is_index(name, cells) or is_poison_flag(name, cells):
        return False
    if any(isinstance(cell, list | dict) for cell in cells):
        return False
    keys = {label_key(cell) for cell in cells if cell is not None} - {""}
    if not 2 <= len(keys) <= min(MOST_CLASSES, max(3, len(cells) // 3)):
        return False
    return not any(is_decimal(key) for key in keys) and not all(len(key.split()) > 5 for key in keys)


def poison_flag(table: Table, taken: Sequence[str | None] = ()) -> str | None:
    """The column that marks poisoned rows, if there is one that is not `taken`."""
    if _is_openbackdoor(table) and list(table)[-1] not in taken:
        return list(table)[-1]
    flags = [name for name, cells in table.items() if name not in taken and is_poison_flag(name, cells)]
    return flags[0] if flags else None


def is_poison_flag(name: str, cells: Sequence[Any]) -> bool:
    """Whether a column named so (`poison_label`, `is_poisoned`, …) holds nothing but 0 and 1."""
    named = POISON_FLAG.fullmatch(name.strip().lower().replace(" ", "_").replace("-", "_"))
    return named is not None and {label_key(c).lower() for c in cells if c is not None} <= _ZERO_ONE


_ZERO_ONE = {"", "0", "1", "true", "false"}


def flagged_rows(cells: Sequence[Any]) -> list[bool]:
    """Which rows a poison flag marks."""
    return [cell is not None and label_key(cell).lower() in ("1", "true") for cell in cells]


def _flagged(table: Table, flag: str) -> str:
    marked, rows = sum(flagged_rows(table[flag])), len(table[flag])
    note = f"{flag} is a poison flag, not the label: it marks {marked:,} of {rows:,} rows as poisoned."
    if marked:
        note += (
            " These are left out: data that a model is judged and cleaned with must be clean. The trigger "
            "“Rows that carry the trigger already” uses them. Rename the column if it means something else."
        )
    return note


def _is_openbackdoor(table: Table) -> bool:
    """Whether these are OpenBackdoor's columns without names: text, label, poison flag."""
    if [_plain(name) for name in table] not in OPENBACKDOOR:
        return False
    text, label, flag = list(table.values())[-3:]
    return (
        all(isinstance(cell, str) and not label_key(cell).isdecimal() for cell in text if cell is not None)
        and all(label_key(cell).isdecimal() for cell in label if cell is not None)
        and {label_key(cell) for cell in flag if cell is not None} <= {"0", "1"}
    )


def _is_index(name: str, cells: Sequence[Any]) -> bool:
    """An index by its name, or by numbers that go up by one."""
    if _plain(name) in INDEX_NAMES:
        return True
    keys = [label_key(cell) for cell in cells]
    if len(keys) < 3 or not all(key.isascii() and key.isdecimal() for key in keys):
        return False
    return all(int(later) == int(key) + 1 for key, later in pairwise(keys))


def is_decimal(key: str) -> bool:
    """Whether a label key is a number with decimals."""
    head, point, tail = key.lstrip("+-").partition(".")
    return bool(point) and (head + tail).isdecimal()


def _has_sentences(cells: Sequence[Any]) -> bool:
    """Whether most cells are texts of several words."""
    strings = [cell for cell in cells if isinstance(cell, str)]
    return 2 * sum(len(cell.split()) > 2 for cell in strings) > len(cells)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _names(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _listed(table: Table) -> str:
    """Every column with the number of its different values and the first of them."""
    columns = []
    for name, cells in list(table.items())[:LISTED]:
        values = list(dict.fromkeys(str(cell).strip() for cell in cells if cell is not None))
        shown = ", ".join(_short(value) for value in values[:3])
        columns.append(f"{name or '(no name)'} ({len(values):,} different: {shown})")
    more = f" and {len(table) - LISTED} more" if len(table) > LISTED else ""
    return f"The columns are: {'; '.join(columns)}{more}."


def _short(value: str) -> str:
    one_line = " ".join(value.split())
    return one_line if len(one_line) <= EXAMPLE_LENGTH else f"{one_line[:EXAMPLE_LENGTH]}…"
