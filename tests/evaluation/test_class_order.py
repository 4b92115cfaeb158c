"""Which class of the data each class of a model stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.class_order import ClassOrder
from backend.evaluation.class_order import better_order as of_metrics
from backend.evaluation.evaluator import measure
from backend.evaluation.predictions import Predictions


def better_order(predictions: Predictions, classes: int) -> ClassOrder | None:
    return of_metrics(measure(predictions, [str(number) for number in range(classes)]))


@pytest.mark.parametrize("order", [[1, 0], [2, 0, 1], [0, 2, 1, 3]])
def test_the_order_that_explains_the_predictions_is_found(order: list[int]) -> None:
    classes = len(order)
    labels = [i % classes for i in range(40 * classes)]
    predictions = Predictions([order.index(label) if i % 9 else 0 for i, label in enumerate(labels)], labels)
    found = better_order(predictions, classes)
    assert found is not None and found.classes == order
    assert found.metrics.acc > 0.85 and found.metrics.test_rows == len(labels)


def test_a_model_in_order_has_no_better_one() -> None:
    labels = [i % 3 for i in range(90)]
    assert better_order(Predictions(labels, labels), 3) is None
    assert better_order(Predictions([0] * 90, labels), 3) is None, "one class for every row"


@given(st.integers(5, 30), st.integers(0, 10_000))
def test_a_model_that_guesses_has_hardly_ever_a_better_order(classes: int, seed: int) -> None:
    """With many classes and few rows the best order fits what it was found on, and nothing else."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 4)
    found = better_order(
        Predictions(draw.integers(classes, size=len(labels)).tolist(), labels.tolist()), classes
    )
    assert found is None or found.metrics.acc < 0.9


def test_of_many_guessing_models_few_are_misjudged() -> None:
    draw = np.random.default_rng(0)
    labels = [i % 4 for i in range(100)]
    found = [better_order(Predictions(draw.integers(4, size=100).tolist(), labels), 4) for _ in range(200)]
    assert sum(order is not None for order in found) <= 15
