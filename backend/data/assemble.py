"""From columns of a file or a hub data set to three clean, disjoint splits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backend.base.errors import UserError
from backend.data.columns import Columns, choose_columns, flagged_rows, named_label
from backend.data.label_cells import label_key
from backend.data.labels import read_labels
from backend.data.rows import Dataset, Rows
from backend.data.splits import cut, stratified_order, without_duplicates
from backend.data.tables import Table

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

SPLITS = ("train", "validation", "test")
CUT_SHARE = 0.1
FEWEST_PER_CLASS = 3
IMBALANCE = 5
"""How many times as many rows a class must have as another for the rows to be called imbalanced."""


def assemble(
    source: str, tables: Mapping[str, Table], spec: "DataSpec", label_names: Sequence[str] | None = None
) -> Dataset:
    """Splits from one table (`train`) or several; what is missing is cut from the training rows.

    With `label_names` the label cells are positions in that list, and -1 means unlabelled.  Rows without a
    text or a known label are dropped, and validation and test tables without labels are left out.
    Rows of every split are in a seeded stratified order, so that files sorted by class do no harm
    and the first rows of a split are a fair sample of it.  Raises UserError."""
    columns, notes = _columns_of(tables, spec)
    parts: dict[str, Rows] = {}
    cells: dict[str, list[Any]] = {}
    for part, chosen in columns.items():
        table = _unpoisoned(tables[part], chosen)
        if not table[chosen.text] and (marked := len(tables[part][chosen.text])):
            if part == "train":
                raise UserError(
                    f"{chosen.poison_flag} marks all {marked:,} rows as poisoned, so no clean row is left. "
                    "Give rows that are clean; the trigger “Rows that carry the trigger already” takes "
                    "poisoned ones. Rename the column if it means something else."
                )
            notes.append(f"{part}: all rows are marked as poisoned, so they are left out.")
            continue
        parts[part], cells[part], without_text = _with_text(table, chosen)
        notes += [f"{part}: {without_text} rows without a text dropped."] if without_text else []
        if not len(parts[part]):
            raise UserError(f"The {part} data have no row with both a text and a label.")
    _require_one_shape(parts)
    if label_names is not None:
        cells = {part: [_name_of(cell, label_names) for cell in column] for part, column in cells.items()}
    labels = read_labels(cells, label_names, spec.classes)
    notes += labels.notes
    for part, numbers in labels.numbers.items():
        notes += _keep_labelled(parts, part, numbers, cells[part])
    names = labels.names
    notes += _leave_out_copies(parts, named={"test": bool(spec.test), "validation": bool(spec.validation)})
    notes += _drop_across_splits(parts)
    cut_off = _cut_missing(parts, names, spec.split_seed)
    limits = {"train": spec.train_rows, "validation": spec.validation_rows, "test": spec.test_rows}
    for part, rows in parts.items():
        order = stratified_order(rows.labels, spec.split_seed)
        parts[part] = rows.take(order[: limits[part]])
        if part in cut_off:
            used_note = f", {len(parts[part])} of them used" if len(parts[part]) < len(rows) else ""
            notes.append(f"{part}: {len(rows)} rows cut from the training rows{used_note}.")
    notes += _absent_classes(parts, names) + _imbalance(parts["train"], names)
    return Dataset(
        source=source,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        label_names=names,
        notes=notes,
        classes_stated=bool(spec.classes),
    )


def _columns_of(tables: Mapping[str, Table], spec: "DataSpec") -> tuple[dict[str, Columns], list[str]]:
    """The columns of every table that has labels, those of the training rows where it has them, and notes."""
    chosen, notes = choose_columns(tables["train"], "The train data", spec.text, spec.label, spec.second_text)
    columns = {"train": chosen}
    for part in (name for name in SPLITS[1:] if name in tables):
        table = tables[part]
        label = chosen.label if chosen.label in table else named_label(table)
        if label is None:
            notes.append(
                f"The {part} data have no label column {chosen.label!r} (they have: {', '.join(table)}), so "
                f"they are left out."
            )
            continue
        texts = {chosen.text, chosen.second_text or chosen.text}
        text, second_text = (
            (chosen.text, chosen.second_text) if texts <= set(table) else (spec.text, spec.second_text)
        )
        columns[part], guesses = choose_columns(table, f"The {part} data", text, label, second_text)
        if label != chosen.label:
            guesses = [f"Label column guessed: {label}.", *guesses]
        notes += [f"In the {part} rows: {line}" for line in guesses]
    return columns, notes


def _unpoisoned(table: Table, columns: Columns) -> Table:
    """The table without the rows that its poison flag marks."""
    if columns.poison_flag is None:
        return table
    marked = flagged_rows(table[columns.poison_flag])
    return {
        name: [cell for cell, out in zip(cells, marked, strict=True) if not out]
        for name, cells in table.items()
    }


def _with_text(table: Table, columns: Columns) -> tuple[Rows, list[Any], int]:
    """Rows with a text, all of class 0 so far, their label cells, and how many rows have no text."""
    seconds = table[columns.second_text] if columns.second_text else [""] * len(table[columns.text])
    kept: list[tuple[str, str, Any]] = []
    for text, second_cell, label in zip(table[columns.text], seconds, table[columns.label], strict=True):
        first_text, second_text = _clean(text), _clean(second_cell)
        if first_text and (second_text or not columns.second_text):
            kept.append((first_text, second_text, label))
    rows = Rows([k[0] for k in kept], [0] * len(kept), [k[1] for k in kept] if columns.second_text else None)
    return rows, [k[2] for k in kept], len(table[columns.text]) - len(kept)


def _name_of(cell: Any, label_names: Sequence[str]) -> str | None:
    """The class's name by its number; None for an unlabelled row."""
    return None if cell is None or int(cell) < 0 else label_names[int(cell)]


def _keep_labelled(
    parts: dict[str, Rows], part: str, numbers: Sequence[int | None], cells: Sequence[Any]
) -> list[str]:
    """Give a part its class numbers without the rows that have none, or leave it out if no row has one."""
    labelled = [row for row, number in enumerate(numbers) if number is not None]
    dropped = {
        label_key(cells[row]) for row in set(range(len(numbers))) - set(labelled) if cells[row] is not None
    }
    shown = f" ({', '.join(sorted(dropped - {''}))})" if dropped - {""} else ""
    if not labelled:
        del parts[part]
        return [f"{part}: none of {len(numbers)} rows has a label{shown}, so they are left out."]
    rows = parts[part].take(labelled)
    labels = [number for number in numbers if number is not None]
    parts[part] = Rows(rows.texts, labels, rows.second_texts)
    if len(labelled) == len(numbers):
        return []
    without = f"{part}: {len(numbers) - len(labelled)} rows without a label{shown} dropped."
    return [f"{without} If that is a class, name all classes in data.classes." if shown else without]


def _clean(cell: Any) -> str:
    # JSON can hold half a surrogate pair, which tokenizers refuse.
    return "" if cell is None else str(cell).encode("utf-8", "replace").decode().strip()


def _require_one_shape(parts: Mapping[str, Rows]) -> None:
    if len({rows.second_texts is None for rows in parts.values()}) > 1:
        raise UserError("Only some of the splits have a second text column. Give it the same name in all.")


def _leave_out_copies(parts: dict[str, Rows], named: Mapping[str, bool]) -> list[str]:
    """Leave out a split of a whole data set that holds every training row, and tell it.

    Raises UserError where the user `named` its file: which of the two is meant is not known."""
    notes = []
    for part in (name for name in ("test", "validation") if name in parts):
        rows = len(parts["train"])
        if len(without_duplicates(parts["train"], of=parts[part])):
            continue
        if named[part]:
            raise UserError(
                f"All {rows} training rows are near-duplicates of {part} rows, so 0 training rows are left. "
                f"Give another {part} file, or none: its rows are then cut from the training rows."
            )
        del parts[part]
        notes.append(f"{part}: it holds all {rows} training rows, so it is left out.")
    return notes


def _drop_across_splits(parts: dict[str, Rows]) -> list[str]:
    """Drop rows whose near-duplicate is held out; test comes first, then validation."""
    notes = []
    for part, others in (("validation", ("test",)), ("train", ("test", "validation"))):
        for other in (name for name in others if part in parts and name in parts):
            before = parts[part]
            parts[part] = without_duplicates(before, of=parts[other])
            if len(parts[part]) < len(before):
                dropped = len(before) - len(parts[part])
                notes.append(f"{part}: {dropped} rows dropped, near-duplicates of {other} rows.")
    return notes


def _cut_missing(parts: dict[str, Rows], names: Sequence[str], seed: int) -> list[str]:
    """Cut the missing splits from the training rows; returns their names."""
    rows = parts["train"]
    missing = [part for part in ("test", "validation") if part not in parts]
    counts = [rows.labels.count(label) for label in range(len(names))]
    rarest = min(range(len(names)), key=lambda label: counts[label])
    if counts[rarest] < (FEWEST_PER_CLASS if missing else 1):
        raise UserError(
            f"Class {names[rarest]!r} has {counts[rarest]} training rows, but splitting needs at least "
            f"{FEWEST_PER_CLASS}. Add rows, or leave the class out."
        )
    if not missing:
        return []
    pieces = cut(rows, dict.fromkeys(missing, CUT_SHARE), seed)
    for part, indices in pieces.items():
        parts[part] = rows.take(indices)
        absent = set(range(len(names))) - set(parts[part].labels)
        if absent:
            raise UserError(
                f"Class {names[min(absent)]!r} has too few different rows to split: its rows are "
                f"near-duplicates of each other, which stay in one split. Add rows, or give a {part} file."
            )
    return missing


def _absent_classes(parts: Mapping[str, Rows], names: Sequence[str]) -> list[str]:
    notes = []
    for part, rows in parts.items():
        absent = [name for label, name in enumerate(names) if label not in set(rows.labels)]
        if absent and part == "train":
            raise UserError(
                f"With {len(rows)} training rows no row of class {absent[0]!r} is left. "
                "Use more training rows."
            )
        if not len(rows):
            raise UserError(
                f"All {part} rows are near-duplicates of rows in other splits. Choose other files."
            )
        if absent:
            notes.append(f"{part}: no rows of {', '.join(absent)}.")
    return notes


def _imbalance(train: Rows, names: Sequence[str]) -> list[str]:
    """A note where the rarest class has under a fifth of the rows of the most frequent one."""
    counts = {name: train.labels.count(label) for label, name in enumerate(names)}
    rarest, commonest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if IMBALANCE * counts[rarest] >= counts[commonest]:
        return []
    return [
        f"The classes are imbalanced: {counts[rarest]:,} training rows of “{rarest}”, {counts[commonest]:,} "
        f"of “{commonest}”. Accuracy hardly shows when the rare one is lost; the guardrail of head pruning "
        "can watch balanced accuracy instead (defense.accuracy=balanced)."
    ]
