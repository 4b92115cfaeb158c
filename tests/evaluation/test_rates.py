"""The rule behind every verdict, on each side of its bound."""

import pytest

from backend.base.events import Metrics
from backend.base.intervals import wilson
from backend.evaluation.evaluator import measure
from backend.evaluation.predictions import Predictions
from backend.evaluation.rates import Rate, at_chance, clearly_above, errs_more
from tests.base.test_intervals import PUBLISHED
from tests.findings.test_verdict import judged

# The fewest flips of so many rows that are clearly more than these of those.
FEWEST = [(47, 300, 30, 300), (128, 900, 100, 900), (14, 100, 5, 100), (5, 400, 0, 400), (10, 100, 50, 1000)]


def rate(count: int, rows: int) -> Rate:
    return count / rows, wilson(count, rows)


@pytest.mark.parametrize(("flips", "rows", "others", "of"), FEWEST)
def test_a_row_more_or_less_decides_what_is_clearly_above(
    flips: int, rows: int, others: int, of: int
) -> None:
    assert clearly_above(rate(flips, rows), rate(others, of))
    assert not clearly_above(rate(flips - 1, rows), rate(others, of))
    assert not clearly_above(rate(others, of), rate(flips, rows)), "what lies below is not above"
    assert not clearly_above(rate(others, of), rate(others, of)), "nothing lies above itself"


@pytest.mark.parametrize(("counts", "bounds"), PUBLISHED)
def test_clearly_above_is_a_published_interval_above_zero(
    counts: tuple[int, int, int, int], bounds: tuple[float, float]
) -> None:
    assert clearly_above(rate(*counts[:2]), rate(*counts[2:])) is (bounds[0] > 0)


def test_of_what_is_not_known_nothing_is_clear() -> None:
    known = rate(90, 100)
    assert not clearly_above(known, (None, None)) and not clearly_above((None, None), rate(1, 100))
    assert not clearly_above((0.9, None), rate(1, 100)) and not clearly_above(known, (0.01, None))


def measured(acc: int, lfr: int, floor: int, rows: int = 300) -> Metrics:
    return Metrics(
        acc=acc / rows,
        acc_interval=wilson(acc, rows),
        test_rows=rows,
        lfr=lfr / rows,
        lfr_interval=wilson(lfr, rows),
        clean_flip_rate=floor / rows,
        clean_flip_rate_interval=wilson(floor, rows),
    )


def test_one_row_decides_the_verdict() -> None:
    planted = {"poisoned": measured(270, 290, 30), "fine_tuned": measured(270, 280, 30)}
    assert judged(**planted, defended=measured(270, 46, 30)).level == "removed"
    assert judged(**planted, defended=measured(270, 47, 30)).level == "weaker"
    reference = measured(270, 30, 10)
    assert judged(reference, **planted, defended=measured(270, 46, 10)).level == "removed"
    assert judged(reference, **planted, defended=measured(270, 47, 10)).level == "weaker"
    first = {"fine_tuned": measured(270, 46, 30), "defended": measured(270, 30, 30)}
    assert judged(poisoned=measured(270, 46, 30), **first).level == "never there"
    assert judged(poisoned=measured(270, 47, 30), **first).level == "removed"


def test_one_row_decides_which_reference_errs_more() -> None:
    assert errs_more(measured(30, 0, 0), measured(47, 0, 0))
    assert not errs_more(measured(30, 0, 0), measured(46, 0, 0))
    assert not errs_more(measured(47, 0, 0), measured(30, 0, 0)), "the better one is no worse floor"


def by_class(*called: list[int]) -> Metrics:
    """Of a model that predicts the classes so often for the rows of each class."""
    labels = [label for label, counts in enumerate(called) for _ in range(sum(counts))]
    predicted = [number for counts in called for number, times in enumerate(counts) for _ in range(times)]
    return measure(Predictions(predicted, labels), [str(number) for number in range(len(called))])


@pytest.mark.parametrize(
    ("called", "guesses"),
    [
        ([[25, 25], [25, 25]], True),
        ([[29, 21], [21, 29]], True),
        ([[32, 18], [18, 32]], False),
        ([[5, 45], [45, 5]], True),
        ([[0, 10], [0, 990]], True),
        ([[9, 1], [10, 980]], False),
        ([[30, 10, 10], [10, 30, 10], [10, 10, 30]], False),
        ([[20, 15, 15], [15, 20, 15], [15, 15, 20]], True),
        ([[50, 0], [0, 0]], False),
    ],
)
def test_a_model_guesses_unless_it_is_clearly_better_than_its_own_guesses_at_random(
    called: list[list[int]], guesses: bool
) -> None:
    assert at_chance(by_class(*called)) is guesses


def test_without_rows_by_class_it_is_not_known_whether_a_model_guesses() -> None:
    assert not at_chance(measured(150, 290, 30))
