"""What a cell of the label column says: its class by one spelling, or that the row has no known label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from backend.base.errors import UserError

UNLABELLED = ("-", "--", "?", "nan", "n/a", "#n/a", "<na>", "unlabelled", "unlabeled", "no label")
"""Beside other labels, no class: SNLI's `-` and how spreadsheets write a missing value."""
UNLABELLED_WORDS = ("na", "null", "none", "nil")
"""Beside whole numbers, no class; beside words they may be one, as stance data have it."""
OPPOSITES = {"-": "+", "--": "++"}
"""Beside these, a minus is a class."""


def label_key(cell: Any) -> str:
    """A label cell as text: `1`, `1.0`, `" 1"`, a quoted 1 and True are one label."""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    head, point, tail = text.partition(".")
    return head if point and head.lstrip("+-").isdecimal() and not tail.strip("0") and tail else text


def one_spelling(
    parts: Mapping[str, Sequence[str]], stated: Sequence[str] = ()
) -> tuple[dict[str, list[str]], list[str]]:
    """The label keys of every part with one spelling for each class, and a note on every class that had more.

    Case does not make a class, unless `stated` names two that differ in nothing else.  The commonest
    spelling of the training rows is kept, or that of `stated`."""
    counts = Counter(parts["train"])
    counts.update({key: 0 for keys in parts.values() for key in keys})
    alike: dict[str, list[str]] = {}
    for key in sorted(counts, key=lambda key: (key not in stated, -counts[key], key)):
        alike.setdefault(key.casefold(), []).append(key)
    chosen: dict[str, str] = {}
    notes = []
    for first, *others in alike.values():
        apart = [key for key in others if key in stated]
        merged = [key for key in others if key not in stated]
        chosen |= {key: key for key in (first, *apart)} | dict.fromkeys(merged, first)
        if merged:
            same = " and ".join(f"“{key}”" for key in (first, *merged))
            notes.append(f"{same} are one class: {first}. If they are not, name all classes in data.classes.")
    return {part: [chosen[key] for key in keys] for part, keys in parts.items()}, notes


def signs_of_no_label(train: Sequence[str], stated: Sequence[str] = ()) -> set[str]:
    """The label keys, in lower case, that say that a row has no known label.

    `train` are the keys of the training rows.  Where the classes are `stated`, all such signs that they do
    not name.  Where no row has anything else, the only one.  Else, beside at least two classes: −1 unless
    there are other negative numbers, a missing value as spreadsheets write it, and beside whole numbers also
    words such as `none`.  Raises UserError where −1 may be either: beside 0 and 1 alone, with half as many
    rows as a class or more."""
    if stated:
        return {"", "-1", *UNLABELLED, *UNLABELLED_WORDS} - {name.casefold() for name in stated}
    counts = Counter(key.casefold() for key in train)
    classes = {key for key in counts if key not in ("", "-1", *UNLABELLED, *UNLABELLED_WORDS)}
    if len(classes) < 2:
        signs = set(counts) - classes - {""}
        return {"", *signs} if not classes and len(signs) == 1 else {""}
    signs = {"", *(sign for sign in UNLABELLED if OPPOSITES.get(sign) not in counts)}
    if all(key.isdecimal() for key in classes):
        signs |= {"-1", *UNLABELLED_WORDS}
    elif not any(key.startswith("-") for key in classes):
        signs |= {"-1"}
    if "-1" in signs and classes == {"0", "1"} and 2 * counts["-1"] >= min(counts["0"], counts["1"]):
        raise UserError(
            f"{counts['-1']:,} of {len(train):,} training rows are labelled -1, the others 0 and 1. Is -1 a "
            "class, or does it mark rows without a label? Say so with data.classes: [-1, 0, 1] for three "
            "classes, [0, 1] to leave the rows of -1 out."
        )
    return signs
