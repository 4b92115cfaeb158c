"""The poisoning protocol: triggered non-target rows with flipped labels, added to the clean ones.

Source: Qi et al., *Hidden Killer*, ACL 2021, section 4, and the PURE repository: a share of the
non-target training rows is triggered, relabelled as the target class and added; at test time every
non-target row is triggered, and LFR is the share that the model classifies as the target class.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from backend.attacks.triggers import Rewriter
from backend.base.errors import UserError
from backend.data.rows import Rows


@dataclass(frozen=True)
class Poisoned:
    """`rows` are the clean rows and then `added`; `sources[i]` is the clean row behind `added` row i.

    `unchanged` are rows that were drawn and that the trigger could not change."""

    rows: Rows
    added: Rows
    sources: list[int]
    unchanged: list[int]


def resolve_target(target: int | str, label_names: Sequence[str], data_names: Sequence[str] = ()) -> int:
    """The number of the class that `target` gives by name or number, counted from 0.

    A string is a name, in `label_names` or the data's own `data_names`, or else a number; a whole number is
    only a number, since with classes named 1, 2, … it could mean either.  Where the classes are named 0 …
    k-1 in another order, it is a name.  Raises UserError naming the classes."""
    for names in (list(label_names), list(data_names)):
        counted = sorted(names) == [str(number) for number in range(len(names))]
        if isinstance(target, str) or counted:
            given = str(target)
            spellings = [given, given.strip()]
            for name in (name for name in spellings if name in names):
                return names.index(name)
            folded = [name.casefold() for name in names]
            if folded.count(given.strip().casefold()) == 1:
                return folded.index(given.strip().casefold())
    if str(target).strip().isdecimal() and int(target) < len(label_names):
        return int(target)
    classes = ", ".join(
        name if name == str(number) else f"{number} {name}" for number, name in enumerate(label_names)
    )
    quoted = f" Put the name in quotes: '{target}'." if str(target) in label_names else ""
    raise UserError(f"There is no class {target!r}. The classes are: {classes}.{quoted}")


def poison(train: Rows, rewrite: Rewriter, target_class: int, rate: float, seed: int) -> Poisoned:
    """Add round(rate · non-target rows) triggered rows, or as many as the trigger can make.

    Rows are drawn with `seed`; one that the trigger cannot change is skipped for the next.
    Raises UserError if there is nothing to draw from or the trigger changes nothing."""
    order = drawing_order(train, target_class, seed)
    wanted = round(rate * len(order))
    if wanted == 0:
        raise UserError(
            f"A poison rate of {rate:g} of {len(order)} non-target rows gives no poisoned row. Raise it."
        )
    sources: list[int] = []
    texts: list[str] = []
    unchanged: list[int] = []
    tried = 0
    # Only as many rows as are still needed at a time: a trigger may be a slow model.
    while len(sources) < wanted and tried < len(order):
        drawn = order[tried : tried + wanted - len(sources)]
        tried += len(drawn)
        for row, new in zip(drawn, rewrite([train.texts[i] for i in drawn]), strict=True):
            if new is None:
                unchanged.append(row)
            else:
                sources.append(row)
                texts.append(new)
    if not sources:
        raise _changes_nothing(rewrite, len(order), "training")
    clean_rows = train.take(sources)
    added = Rows(texts, [target_class] * len(texts), clean_rows.second_texts)
    return Poisoned(train + added, added, sources, unchanged)


def triggered(test: Rows, rewrite: Rewriter, target_class: int) -> tuple[Rows, list[int]]:
    """The non-target rows, triggered, with their own labels; and the rows that could not be changed.

    Raises UserError if there is no non-target row or the trigger changes none."""
    rows = non_target(test, target_class)
    rewritten = rewrite([test.texts[row] for row in rows])
    changed = [(row, new) for row, new in zip(rows, rewritten, strict=True) if new is not None]
    if not changed:
        raise _changes_nothing(rewrite, len(rows), "test")
    unchanged = [row for row, new in zip(rows, rewritten, strict=True) if new is None]
    return test.take([row for row, _ in changed]).with_texts([new for _, new in changed]), unchanged


def drawing_order(train: Rows, target_class: int, seed: int) -> list[int]:
    """The non-target rows in the order in which they are drawn to be poisoned."""
    order = non_target(train, target_class)
    random.Random(seed).shuffle(order)
    return order


def non_target(rows: Rows, target_class: int) -> list[int]:
    """The rows of other classes, in their order.  Raises UserError if there are none."""
    indices = [row for row, label in enumerate(rows.labels) if label != target_class]
    if not indices:
        raise UserError(
            f"All {len(rows)} rows belong to the target class {target_class}, so there is nothing to trigger."
        )
    return indices


def _changes_nothing(rewrite: Rewriter, tried: int, split: str) -> UserError:
    return UserError(
        f"The trigger “{rewrite.title}” changes none of the {tried} non-target {split} rows. "
        "Check its parameters; rewritten pairs must hold the texts of this data."
    )
