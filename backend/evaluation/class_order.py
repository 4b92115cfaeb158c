"""Which class of the data each class of a model stands for, by its predictions for clean rows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from backend.base.events import ClassRow, Metrics
from backend.base.intervals import wilson
from backend.evaluation.rates import at_chance

Counts = Int[np.ndarray, "label predicted"]
"""How many rows of each class the model assigns to each class."""


@dataclass(frozen=True)
class ClassOrder:
    """`classes[k]` is the class of the data that class k of the model stands for, and `metrics` what the
    model reaches on clean rows if so."""

    classes: list[int]
    metrics: Metrics


def better_order(metrics: Metrics) -> ClassOrder | None:
    """The order of the data's classes that explains a model's predictions better than the present one; None
    where none does, or where the rows by class are not known.

    It has the best balanced accuracy on a drawn half of each class's rows (Kuhn's assignment).  It
    counts if the model is above chance by it on the other half: one that only guesses has no better order."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    if not metrics.per_class:
        return None
    counts = np.array([row.called for row in metrics.per_class])
    found_on = _half(counts)
    shares = found_on / np.maximum(found_on.sum(axis=1, keepdims=True), 1)
    classes, model_classes = linear_sum_assignment(-shares)
    order = classes[np.argsort(model_classes)]
    rest = (counts - found_on)[:, np.argsort(order)]
    if (order == np.arange(len(counts))).all() or not rest.sum() or at_chance(_measured(rest)):
        return None
    return ClassOrder(order.tolist(), _measured(counts[:, np.argsort(order)]))


def _half(counts: Counts) -> Counts:
    """Half of each class's rows, drawn: rows of one class with one prediction are alike."""
    draw = np.random.default_rng(0)
    return np.array([draw.multivariate_hypergeometric(row, (row.sum() + 1) // 2) for row in counts])


def _measured(counts: Counts) -> Metrics:
    """ACC of a model with these predictions."""
    correct, rows = int(np.trace(counts)), int(counts.sum())
    per_class = [
        ClassRow(
            label=str(number),
            rows=int(row.sum()),
            accuracy=float(row[number] / max(1, row.sum())),
            called=row.tolist(),
        )
        for number, row in enumerate(counts)
    ]
    return Metrics(
        acc=correct / rows, acc_interval=wilson(correct, rows), test_rows=rows, per_class=per_class
    )
