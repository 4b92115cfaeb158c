"""Whether a received model's classes are numbered as the rows: asked before its numbers mislead."""

from backend.base.errors import UserError
from backend.base.events import Metrics
from backend.base.intervals import FEWEST_ROWS
from backend.base.numbers import count, percent
from backend.data.rows import Dataset
from backend.evaluation.class_order import better_order
from backend.evaluation.rates import acc_of, at_chance, clearly_above


def check_class_order(metrics: Metrics, dataset: Dataset) -> list[str]:
    """Warnings about a received model that classifies clean rows no better than guessing, or clearly better
    with its classes in another order.

    Raises UserError, a question, where both are so and the user has not stated the order."""
    better = better_order(metrics)
    if better is None:
        return [_only_guesses(metrics)] if at_chance(metrics) else []
    if not clearly_above(acc_of(better.metrics), acc_of(metrics)):
        return []
    names = dataset.data_names or dataset.label_names
    order = [names[number] for number in better.classes]
    sentence = (
        f"The model as received classifies {percent(metrics.acc)} of the test rows correctly, but "
        f"{percent(better.metrics.acc)} if its classes come in another order: "
        f"{', '.join(f'class {number} is “{name}”' for number, name in enumerate(order))}."
    )
    if dataset.classes_stated or not at_chance(metrics):
        return [sentence]
    raise UserError(
        f"{sentence} Is that their order? Then set data.classes to [{', '.join(order)}] (on the page: Order "
        f"of the classes) and start again. To go on as it is, set it to [{', '.join(names)}]."
    )


def _only_guesses(metrics: Metrics) -> str:
    if metrics.test_rows < FEWEST_ROWS:
        return (
            f"With {count(metrics.test_rows, 'test row')} the accuracy of the model as received cannot be "
            f"told from guessing: at least {FEWEST_ROWS} are needed, a hundred are better. Give more rows."
        )
    return (
        f"The model as received classifies {percent(metrics.acc)} of the test rows correctly: no better than "
        "guessing, in any order of its classes. It may belong to another task; its LFR means nothing."
    )
