"""The labels of a file, numbered 0 … k-1."""

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
    it, whole numbers keep their numeric order and names are sorted.  Raises UserError for one class,
    for labels that the training rows lack, and for a column of measurements rather than labels."""
    keys = {part: [label_key(cell) for cell in cells] for part, cells in parts.items()}
    train_labels = set(keys["train"])
    if len(train_labels) < 2:
        single = next(iter(train_labels), "none")
        raise UserError(
            f"All training rows have one label ({single!r}). A classifier needs at least two classes."
        )
    if len(train_labels) > max(3, len(keys["train"]) // 3):
        raise UserError(
            f"The label column holds {len(train_labels)} different values in {len(keys['train'])} training "
            f"rows (such as {', '.join(sorted(train_labels)[:3])}), so these are not class labels. "
            "Choose another column."
        )
    for part, cells in keys.items():
        unseen = sorted(set(cells) - train_labels)
        if unseen:
            raise UserError(
                f"The {part} rows have labels that no training row has: {', '.join(unseen[:5])}. "
                f"The training rows have: {', '.join(in_order(train_labels)[:20])}."
            )
    names = in_order(train_labels) if order is None else [name for name in order if name in train_labels]
    number = {name: position for position, name in enumerate(names)}
    return {part: [number[key] for key in cells] for part, cells in keys.items()}, names


def in_order(labels: set[str]) -> list[str]:
    """Whole numbers by size, anything else in alphabetical order."""
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def align(dataset: Dataset, names: Sequence[str]) -> tuple[Dataset, str | None]:
    """`dataset` with its classes numbered as in a model that keeps its head, and a note about it.

    `names` are the model's class names in its order.  Where they are the data's own in another
    order, the rows are renumbered; nameless ones (`LABEL_0`, …) are assumed to be in the data's order.
    Raises UserError if the names differ, since the classes cannot be matched then."""
    ours = [name.casefold().strip() for name in dataset.label_names]
    theirs = [name.casefold().strip() for name in names]
    if len(ours) != len(theirs):
        raise UserError(
            f"This model has {len(names)} classes ({', '.join(names)}), but the data have "
            f"{len(dataset.label_names)} ({', '.join(dataset.label_names)}). Use a fresh head, or "
            "choose data with the model's classes."
        )
    if ours == theirs:
        return dataset, None
    if all(name.startswith("label_") for name in theirs) or all(name.isdecimal() for name in ours):
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(names, dataset.label_names, strict=True))
        return dataset, f"The model's classes are assumed to be in the data's order: {pairs}."
    if sorted(ours) != sorted(theirs):
        raise UserError(
            f"The model's classes are {', '.join(names)}, but those of the data are "
            f"{', '.join(dataset.label_names)}. Name the labels as the model does, or use "
            "a fresh head."
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
    return aligned, "The data's classes are renumbered in the model's order."


def names_of(config: Mapping[str, Any]) -> list[str]:
    """A classifier's class names in its order, from its `config.json`."""
    id2label = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
    return [id2label[number] for number in sorted(id2label)] or ["LABEL_0", "LABEL_1"]
