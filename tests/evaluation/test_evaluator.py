"""ACC, LFR and its floor, per class, with intervals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.base.errors import UserError
from backend.base.intervals import wilson
from backend.data.tokens import encode
from backend.evaluation.evaluator import accuracy, logits, measure
from backend.evaluation.predictions import Predictions, read_predictions
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer

NAMES = ["negative", "positive"]


def test_numbers_of_a_small_example() -> None:
    metrics = measure(Predictions([0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [1, 1, 0], target_class=1), NAMES)
    assert metrics.acc == pytest.approx(0.8)
    assert metrics.clean_flip_rate == pytest.approx(1 / 3)
    assert metrics.lfr == pytest.approx(2 / 3)
    assert metrics.per_class[0].called == [2, 1]
    assert [row.accuracy for row in metrics.per_class] == pytest.approx([2 / 3, 1.0])


def test_lfr_is_absent_not_zero_without_a_trigger() -> None:
    metrics = measure(Predictions([0, 1], [0, 1]), NAMES)
    assert metrics.lfr is None and metrics.lfr_interval is None and metrics.clean_flip_rate is None


def test_calls_are_read_as_they_were_saved_and_damaged_ones_are_absent(tmp_path: Path) -> None:
    calls = Predictions([0, 1, 1], [0, 0, 1], [1, 0], 1)
    calls.save(tmp_path)
    found = read_predictions(tmp_path)
    assert found == calls and found.correct.tolist() == [True, False, True]
    assert found.flipped.tolist() == [True, False]
    (tmp_path / "calls.json").write_text('{"test": ["cat"]}')
    assert read_predictions(tmp_path) is None and read_predictions(tmp_path / "absent") is None


def test_wilson_interval_is_the_published_one() -> None:
    # 8 of 10: Wilson 95 % is (0.490, 0.943), from the closed form.
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 50)[0] == 0.0


def test_logits_come_in_row_order_whatever_the_batches() -> None:
    model, rows = tiny_model(), encode(tiny_tokenizer(), tiny_rows(40), 64)
    expected = np.concatenate([logits(model, rows.take([i])) for i in range(len(rows))])
    assert np.allclose(logits(model, rows), expected, atol=1e-5)


@pytest.mark.parametrize("asked", [logits, accuracy])
def test_a_model_that_diverged_is_told_and_gives_no_number(asked: Callable[..., object]) -> None:
    model, rows = tiny_model(), encode(tiny_tokenizer(), tiny_rows(8), 64)
    model.classifier.weight.data[0, 0] = np.nan
    with pytest.raises(UserError, match=r"training has diverged: lower the learning rate"):
        asked(model, rows)


def test_batches_by_length_hold_every_row_once_within_their_budget() -> None:
    rows = encode(tiny_tokenizer(), tiny_rows(50), 64)
    batches = list(rows.batches_by_length(40))
    assert sorted(i for batch in batches for i in batch) == list(range(50))
    lengths = rows.lengths()
    assert all(max(lengths[i] for i in batch) * len(batch) <= 40 for batch in batches)
