"""From columns of a file or a hub data set to three clean, disjoint splits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backend.base.errors import UserError
from backend.data.columns import Columns, choose_columns
from backend.data.labels import label_key, number_labels
from backend.data.rows import Dataset, Rows
from backend.data.splits import cut, stratified_order, without_duplicates
from backend.data.tables import Table

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

SPLITS = ("train", "validation", "test")
CUT_SHARE = 0.1
FEWEST_PER_CLASS = 3


def assemble(
    source: str, tables: Mapping[str, Table], spec: "DataSpec", label_names: Sequence[str] | None = None
) -> Dataset:
    """Splits from one table (`train`) or several; what is missing is cut from the training rows.

    With `label_names` the label cells are positions in that list, and -1 means unlabelled.
    Rows of every split are in a seeded stratified order, so that files sorted by class do no harm
    and the first rows of a split are a fair sample of it.  Raises UserError."""
    parts: dict[str, Rows] = {}
    cells: dict[str, list[Any]] = {}
    notes: list[str] = []
    chosen = Columns("", "")
    for part in (name for name in SPLITS if name in tables):
        expected_columns = {chosen.text, chosen.label, chosen.second_text or chosen.text}
        if part == "train" or not expected_columns <= set(tables[part]):
            chosen, guesses = choose_columns(
                tables[part], f"The {part} data", spec.text, spec.label, spec.second_text
            )
            notes += [line if part == "train" else f"In the {part} rows: {line}" for line in guesses]
        parts[part], cells[part], drop_notes = _usable(tables[part], chosen, label_names)
        notes += [f"{part}: {line}" for line in drop_notes]
        if not len(parts[part]):
            raise UserError(f"The {part} data have no row with both a text and a label.")
    _require_one_shape(parts)
    numbers, names = number_labels(cells, label_names)
    parts = {part: Rows(rows.texts, numbers[part], rows.second_texts) for part, rows in parts.items()}
    notes += _drop_across_splits(parts)
    cut_off = _cut_missing(parts, names, spec.split_seed)
    limits = {"train": spec.train_rows, "validation": spec.validation_rows, "test": spec.test_rows}
    for part, rows in parts.items():
        order = stratified_order(rows.labels, spec.split_seed)
        parts[part] = rows.take(order[: limits[part]])
        if part in cut_off:
            used_note = f", {len(parts[part])} of them used" if len(parts[part]) < len(rows) else ""
            notes.append(f"{part}: {len(rows)} rows cut from the training rows{used_note}.")
    notes += _absent_classes(parts, names)
    return Dataset(source, parts["train"], parts["validation"], parts["test"], names, notes)


def _usable(
    table: Table, columns: Columns, label_names: Sequence[str] | None
) -> tuple[Rows, list[Any], list[str]]:
    """Rows with a text and a label, their label cells, and notes on the rows dropped."""
    seconds = table[columns.second_text] if columns.second_text else [""] * len(table[columns.text])
    kept: list[tuple[str, str, Any]] = []
    without_text = without_label = 0
    for text, second_cell, label in zip(table[columns.text], seconds, table[columns.label], strict=True):
        first_text, second_text = _clean(text), _clean(second_cell)
        if not first_text or (columns.second_text and not second_text):
            without_text += 1
        elif label is None or label_key(label) == "" or (label_names is not None and int(label) < 0):
            without_label += 1
        else:
            kept.append((first_text, second_text, label if label_names is None else label_names[int(label)]))
    notes = [f"{without_text} rows without a text dropped."] if without_text else []
    notes += [f"{without_label} rows without a label dropped."] if without_label else []
    rows = Rows([k[0] for k in kept], [], [k[1] for k in kept] if columns.second_text else None)
    return rows, [k[2] for k in kept], notes


def _clean(cell: Any) -> str:
    # JSON can hold half a surrogate pair, which tokenizers refuse.
    return "" if cell is None else str(cell).encode("utf-8", "replace").decode().strip()


def _require_one_shape(parts: Mapping[str, Rows]) -> None:
    if len({rows.second_texts is None for rows in parts.values()}) > 1:
        raise UserError("Only some of the splits have a second text column. Give it the same name in all.")


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
