"""Which class of the data each class of a model stands for, by its predictions."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from backend.base.events import Metrics
from backend.evaluation.evaluator import measure
from backend.evaluation.predictions import Predictions
from backend.evaluation.rates import at_chance


@dataclass(frozen=True)
class ClassOrder:
    """`classes[k]` is the class of the data that class k of the model stands for, and `metrics` what the
    model reaches on clean rows if so."""

    classes: list[int]
    metrics: Metrics


def better_order(predictions: Predictions, classes: int) -> ClassOrder | None:
    """The order of the data's classes that explains a model's predictions better than the present one; None
    where none does.

    It is the one with the best balanced accuracy on half of each class's rows (Kuhn's assignment), and counts
    if the model is above chance by it on the other half, so that a model that only guesses has none."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    labels, predicted = np.array(predictions.labels), np.array(predictions.test)
    found_on = _every_other_of_each(labels, classes)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[found_on], predicted[found_on]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    data_classes, model_classes = linear_sum_assignment(-shares)
    order = np.empty(classes, dtype=np.int64)
    order[model_classes] = data_classes
    if (order == np.arange(classes)).all():
        return None
    renamed = replace(predictions, test=order[predicted].tolist(), triggered=[], target_class=None)
    rest = np.setdiff1d(np.arange(len(labels)), found_on)
    judged = replace(renamed, test=order[predicted[rest]].tolist(), labels=labels[rest].tolist())
    names = [str(number) for number in range(classes)]
    if not len(rest) or at_chance(measure(judged, names)):
        return None
    return ClassOrder(order.tolist(), measure(renamed, names))


def _every_other_of_each(labels: Int[np.ndarray, " row"], classes: int) -> Int[np.ndarray, " half"]:
    """The numbers of the first, third, fifth … row of every class, in order."""
    halves: list[Int[np.ndarray, " some"]] = [
        np.flatnonzero(labels == number)[::2] for number in range(classes)
    ]
    return np.sort(np.concatenate(halves))
