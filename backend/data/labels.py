"""Labels as they stand in a file, numbered 0 … k-1."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.base.errors import UserError
from backend.data.rows import Dataset, Rows


def label_key(cell: Any) -> str:
    """A label cell as text: `1`, `1.0`, `" 1"` and True are one label."""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    head, point, tail = text.partition(".")
    return head if point and head.lstrip("+-").isdecimal() and not tail.strip("0") and tail else text


def number_labels(
    parts: Mapping[str, Sequence[Any]], order: Sequence[str] | None = None
) -> tuple[dict[str, list[int]], list[str]]:
    """Class numbers of every part, and the classes' names in their order.

    `parts` are label cells by split, `train` among them.  Classes come in the given `order`; without
    one, whole numbers keep their numeric order and names are sorted.  Raises UserError for one class,
    for labels that the training rows lack, and for a column of measurements rather than labels."""
    keys = {part: [label_key(cell) for cell in cells] for part, cells in parts.items()}
    known = set(keys["train"])
    if len(known) < 2:
        only = next(iter(known), "none")
        raise UserError(
            f"All training rows have one label ({only!r}). A classifier needs two classes at least."
        )
    if len(known) > max(3, len(keys["train"]) // 3):
        raise UserError(
            f"The label column holds {len(known)} different values in {len(keys['train'])} training rows "
            f"(such as {', '.join(sorted(known)[:3])}), so these are no class labels. Choose another column."
        )
    for part, cells in keys.items():
        unseen = sorted(set(cells) - known)
        if unseen:
            raise UserError(
                f"The {part} rows have labels that no training row has: {', '.join(unseen[:5])}. "
                f"The training rows have: {', '.join(in_order(known)[:20])}."
            )
    names = in_order(known) if order is None else [name for name in order if name in known]
    number = {name: position for position, name in enumerate(names)}
    return {part: [number[key] for key in cells] for part, cells in keys.items()}, names


def in_order(labels: set[str]) -> list[str]:
    """Whole numbers by size, anything else by spelling."""
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def align(dataset: Dataset, names: Sequence[str]) -> tuple[Dataset, str | None]:
    """`dataset` numbered as a model that keeps its own head numbers its classes, and a note on it.

    `names` are the model's class names in its order.  Where they are the data's own in another
    order, the rows are renumbered; nameless ones (`LABEL_0`, …) are taken in the data's order.
    Raises UserError where the names differ, for then nothing says which class is which."""
    ours = [name.casefold().strip() for name in dataset.label_names]
    theirs = [name.casefold().strip() for name in names]
    if len(ours) != len(theirs):
        raise UserError(
            f"The model tells {len(names)} classes apart ({', '.join(names)}), the data have "
            f"{len(dataset.label_names)} ({', '.join(dataset.label_names)}). Give it a fresh head, or "
            "choose data with its labels."
        )
    if ours == theirs:
        return dataset, None
    if all(name.startswith("label_") for name in theirs) or all(name.isdecimal() for name in ours):
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(names, dataset.label_names, strict=True))
        return dataset, f"The model's classes are taken in the data's order: {pairs}."
    if sorted(ours) != sorted(theirs):
        raise UserError(
            f"The model's classes are called {', '.join(names)}, those of the data "
            f"{', '.join(dataset.label_names)}. Name the labels as the model does, or give it a fresh head."
        )
    position = {name: number for number, name in enumerate(theirs)}
    number = [position[name] for name in ours]

    def renumbered(rows: Rows) -> Rows:
        return Rows(rows.texts, [number[label] for label in rows.labels], rows.second_texts)

    aligned = replace(
        dataset,
        train=renumbered(dataset.train),
        validation=renumbered(dataset.validation),
        test=renumbered(dataset.test),
        label_names=[dataset.label_names[ours.index(name)] for name in theirs],
    )
    return aligned, "The data's classes are numbered as the model numbers them."


def names_of(config: Mapping[str, Any]) -> list[str]:
    """A classifier's class names in its order, from its `config.json`."""
    named = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
    return [named[number] for number in sorted(named)] or ["LABEL_0", "LABEL_1"]
