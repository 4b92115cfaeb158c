"""The classes of a file, numbered 0 … k-1, and how they are matched with those of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.base.errors import UserError
from backend.data.columns import MOST_CLASSES, is_decimal
from backend.data.label_cells import label_key, one_spelling, signs_of_no_label
from backend.data.rows import Dataset, Rows

REAL_LABELS = 10
"""Different decimals from which a column is taken for measurements."""
TRUTH_VALUES = {"true": ("yes", "y", "on", "true", "1"), "false": ("no", "n", "off", "false", "0")}
CLASSES = "data.classes (on the page: Order of the classes)"


@dataclass(frozen=True)
class Labels:
    """Class numbers of the rows of every part (None: no known label), the classes' names, and notes."""

    numbers: dict[str, list[int | None]]
    names: list[str]
    notes: list[str]


def read_labels(
    parts: Mapping[str, Sequence[Any]], order: Sequence[str] | None = None, stated: Sequence[str] = ()
) -> Labels:
    """The label cells of every part, `train` among them, as class numbers.

    Classes come in the order `stated` by the user, or the data set's own `order`; without both, whole
    numbers keep their numeric order and names are sorted.  A cell that is None, or says that the row has no
    label (`signs_of_no_label`), gives None.  Raises UserError for one class, for labels that the training
    rows lack, for a stated class without rows, and for a column of measurements."""
    keys = {
        part: ["" if cell is None else label_key(cell) for cell in cells] for part, cells in parts.items()
    }
    stated = [_as_written(name, keys["train"]) for name in stated]
    signs = signs_of_no_label(keys["train"], stated) if order is None else {""}
    known = {part: [key for key in column if key.casefold() not in signs] for part, column in keys.items()}
    if not known["train"]:
        shown = next((f" ({key!r})" for key in keys["train"] if key), "")
        raise UserError(
            f"None of the {len(keys['train']):,} training rows has a label{shown}. Give rows with labels, or "
            "choose another column with data.label."
        )
    known, notes = one_spelling(known, stated) if order is None else (known, [])
    numbers, names = number_labels(known, order, stated)
    left = {part: iter(column) for part, column in numbers.items()}
    return Labels(
        {
            part: [None if key.casefold() in signs else next(left[part]) for key in column]
            for part, column in keys.items()
        },
        names,
        notes,
    )


def _as_written(stated: str, keys: Sequence[str]) -> str:
    """The label that a stated class means: YAML reads a bare `no` or `yes` as a truth value."""
    name = label_key(stated)
    if name in keys or name not in TRUTH_VALUES:
        return name
    return next((key for key in keys if key.casefold() in TRUTH_VALUES[name]), name)


def number_labels(
    parts: Mapping[str, Sequence[Any]], order: Sequence[str] | None = None, stated: Sequence[str] = ()
) -> tuple[dict[str, list[int]], list[str]]:
    """Class numbers of every part, all of whose rows have labels, and the classes' names in their order.

    See `read_labels`."""
    keys = {part: [label_key(cell) for cell in cells] for part, cells in parts.items()}
    train_labels = set(keys["train"])
    if stated:
        _require_stated(train_labels, stated)
    if len(train_labels) < 2:
        single = next(iter(train_labels), "none")
        raise UserError(
            f"All training rows have one label ({single!r}). A classifier needs at least two classes."
        )
    if order is None and not stated:
        _require_classes(train_labels, len(keys["train"]))
    for part, cells in keys.items():
        unseen = sorted(set(cells) - train_labels)
        if unseen:
            raise UserError(
                f"The {part} rows have labels that no training row has: {', '.join(unseen[:5])}. "
                f"The training rows have: {', '.join(in_order(train_labels)[:20])}."
            )
    ordered = stated or order or in_order(train_labels)
    names = [name for name in ordered if name in train_labels]
    number = {name: position for position, name in enumerate(names)}
    return {part: [number[key] for key in cells] for part, cells in keys.items()}, names


def _require_stated(labels: set[str], stated: Sequence[str]) -> None:
    if missing := [name for name in stated if name not in labels]:
        raise UserError(
            f"data.classes names {missing[0]!r}, but no training row has that label. The labels are: "
            f"{', '.join(in_order(labels)[:20])}."
        )
    if left_out := in_order(labels - set(stated)):
        raise UserError(
            f"Some rows have the label {left_out[0]!r}, which data.classes does not name: "
            f"{', '.join(stated)}. Name every class, or leave those rows out of the file."
        )


def _require_classes(labels: set[str], rows: int) -> None:
    """Refuse measurements, and what has nearly as many values as rows."""
    such_as = f"such as {', '.join(sorted(labels)[:3])}"
    if sum(map(is_decimal, labels)) >= REAL_LABELS:
        raise UserError(
            f"The label column holds {len(labels)} different numbers with decimals ({such_as}): these are "
            "measurements, not class labels, and Excise works on classifiers. Choose another column with "
            "data.label."
        )
    if len(labels) > max(3, rows // 3):
        raise UserError(
            f"The label column holds {len(labels)} different values in {rows} training "
            f"rows ({such_as}), so these are not class labels. Choose another column with data.label."
        )
    if len(labels) > MOST_CLASSES:
        raise UserError(
            f"The label column holds {len(labels)} different values ({such_as}). More than "
            f"{MOST_CLASSES} are taken for classes only where data.classes names them all. Choose another "
            "column with data.label."
        )


def in_order(labels: set[str]) -> list[str]:
    """Whole numbers by size, anything else in alphabetical order."""
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def align(dataset: Dataset, names: Sequence[str]) -> tuple[Dataset, str | None]:
    """`dataset` with its classes numbered as in a model that keeps its head, and a note about it.

    `names` are the model's class names in its order.  They are matched with the data's by `_matched`; where
    the user has stated the order of the data's classes, the k-th is class k of the model.  The result has
    the model's names where these are words for the same classes, and keeps the data's as `data_names`.
    Raises UserError for another number of classes, and where words do not match at all."""
    ours = dataset.label_names
    if len(ours) != len(names):
        raise UserError(
            f"This model has {len(names)} classes ({', '.join(names)}), but the data have "
            f"{len(ours)} ({', '.join(ours)}). Use a fresh head, or choose data with the model's classes."
        )
    in_order = list(range(len(ours)))
    same = _places_of(ours, names)
    overruled = dataset.classes_stated and same not in (None, in_order)
    place = in_order if dataset.classes_stated else same or _matched(ours, names)
    if same is None or overruled:
        note = _match_note(ours, names, place, dataset.classes_stated)
    elif place != in_order:
        note = (
            f"The data's classes are numbered in the model's order: {', '.join(names)}. If the model means "
            "another order, state it with data.classes (on the page: Order of the classes)."
        )
    else:
        note = None
    nameless = same is None and (_numbered(names) is not None or all(name.isdecimal() for name in names))
    data_names = [ours[place.index(number)] for number in in_order]
    label_names = data_names if nameless or overruled else list(names)
    if place == in_order and label_names == ours:
        return dataset, note
    return _renumbered(dataset, place, label_names, data_names), note


def _places_of(ours: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """The place in `names` of each of ours, where they are the same but for case; else None."""
    folded = [name.casefold().strip() for name in names]
    same = len(set(folded)) == len(folded) and {name.casefold() for name in ours} == set(folded)
    return [folded.index(name.casefold()) for name in ours] if same else None


def _matched(ours: Sequence[str], names: Sequence[str]) -> list[int]:
    """The number in the model of each of our classes, where the names are others.

    `LABEL_2` is our class named 2, or else the third.  A name is one that begins like it (`neg`, `NEGATIVE`).
    Where one side has only numbers, ours are taken in their order.  Raises UserError for other words."""
    numbers = _numbered(names)
    if numbers is not None:
        by_name = _places_of(ours, [str(number) for number in numbers])
        return by_name or [numbers.index(number) for number in range(len(ours))]
    alike = [[i for i, name in enumerate(names) if _begin_alike(name, our)] for our in ours]
    if all(len(places) == 1 for places in alike) and len({places[0] for places in alike}) == len(ours):
        return [places[0] for places in alike]
    if all(name.isdecimal() for name in ours) or all(name.isdecimal() for name in names):
        return list(range(len(ours)))
    raise UserError(
        f"The model's classes are {', '.join(names)}, but those of the data are {', '.join(ours)}: which is "
        f"which? State the data's classes in the model's order with {CLASSES}. If they are other classes, "
        "use a fresh head."
    )


def _numbered(names: Sequence[str]) -> list[int] | None:
    """The numbers of `LABEL_0` … `LABEL_k-1` in any order; None for other names."""
    tails = [name.strip().casefold().removeprefix("label_") for name in names]
    if not all(name.strip().casefold().startswith("label_") for name in names):
        return None
    numbers = [int(tail) for tail in tails if tail.isdecimal()]
    return numbers if sorted(numbers) == list(range(len(names))) else None


def _begin_alike(name: str, other: str) -> bool:
    """Whether the one is the beginning of the other, as `neg` of `NEGATIVE`."""
    short, long = sorted((name.casefold().strip(), other.casefold().strip()), key=len)
    return len(short) >= 2 and short.isalpha() and long.startswith(short)


def _match_note(ours: Sequence[str], names: Sequence[str], place: Sequence[int], stated: bool) -> str:
    pairs = ", ".join(f"{name} = {ours[place.index(i)]}" for i, name in enumerate(names))
    if stated:
        return f"The model's classes are those of the data as data.classes orders them: {pairs}."
    return (
        f"The model's classes are taken for those of the data like this: {pairs}. If that is wrong, state "
        f"the data's classes in the model's order with {CLASSES}."
    )


def _renumbered(
    dataset: Dataset, place: Sequence[int], label_names: list[str], data_names: list[str]
) -> Dataset:
    def renumbered(rows: Rows) -> Rows:
        return Rows(rows.texts, [place[label] for label in rows.labels], rows.second_texts)

    return replace(
        dataset,
        train=renumbered(dataset.train),
        validation=renumbered(dataset.validation),
        test=renumbered(dataset.test),
        label_names=label_names,
        data_names=data_names,
    )


def names_of(config: Mapping[str, Any]) -> list[str]:
    """A classifier's class names in its order, from its `config.json`."""
    id2label = {int(number): str(name) for number, name in (config.get("id2label") or {}).items()}
    return [id2label[number] for number in sorted(id2label)] or ["LABEL_0", "LABEL_1"]
