"""What a model's numbers hide."""

import pytest

from backend.base.events import Metrics
from backend.evaluation.evaluator import measure
from backend.evaluation.predictions import Predictions
from backend.findings.caveats import few_triggered, lost_classes
from backend.report.sentences import meaning
from tests.report.test_sentences import run_progress

NAMES = ["bad", "fair", "good"]


def sentences(**models: Metrics) -> str:
    return " ".join(meaning(run_progress(**models))).replace("\u00a0", " ")


def test_a_class_without_a_row_classified_correctly_is_lost() -> None:
    metrics = measure(Predictions([0, 0, 0, 2], [0, 0, 1, 2]), NAMES)
    assert [row.label for row in lost_classes(metrics)] == ["fair"]
    assert not lost_classes(measure(Predictions([0, 2], [0, 2]), NAMES)), "of which there is no row"


@pytest.mark.parametrize(("rows", "few"), [(0, None), (1, 1), (99, 99), (100, None)])
def test_fewer_than_a_hundred_triggered_rows_are_few(rows: int, few: int | None) -> None:
    assert few_triggered(measure(Predictions([0, 2], [0, 2], [2] * rows, 2), NAMES)) == few


def test_both_are_said_beside_the_numbers() -> None:
    labels = [0, 1, 2] * 30
    metrics = measure(Predictions([0, 0, 2] * 30, labels, [2] * 40, 2), NAMES)
    said = sentences(poisoned=metrics)
    assert "none of the 30 test rows of “fair” correctly: that class is lost" in said
    assert "Only 40 triggered rows for LFR" in said
    said = sentences(poisoned=metrics, defended=metrics)
    assert "that class is lost" in said and "Only 40 triggered rows for LFR" in said


def test_a_model_that_guesses_has_no_conclusion_from_its_flip_rate() -> None:
    labels = [0, 1, 2] * 30
    guessing = measure(Predictions([0] * 90, labels, [2] * 40, 2), NAMES)
    for said in (
        sentences(poisoned=guessing),
        sentences(poisoned=guessing, defended=guessing),
    ):
        assert "no better than guessing" in said
        assert "trigger works" not in said and "sees no backdoor" not in said and "floor" not in said
