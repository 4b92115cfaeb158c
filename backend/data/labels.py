"""Labels as they stand in a file, numbered 0 … k-1."""

from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import UserError


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
