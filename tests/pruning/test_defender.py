"""What a defender measures."""

import numpy as np
import pytest

from backend.data.rows import Rows
from backend.data.tokens import Encoded, encode
from backend.evaluation.evaluator import accuracies, predict
from backend.heads.order import HeadOrder
from backend.pruning.defender import Defender
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer


def mostly_one_class() -> Encoded:
    rows = tiny_rows(60, seed=1)
    kept = [i for i, label in enumerate(rows.labels) if label or i < 8]
    return encode(tiny_tokenizer(), rows.take(kept), 64)


def defender_of(rows: Encoded, balanced: bool) -> Defender:
    return Defender(tiny_model(), rows, rows, threshold=0.0, prune_step=4, seed=5, balanced=balanced)


def test_balanced_accuracy_counts_every_class_alike() -> None:
    rows = mostly_one_class()
    correct = predict(tiny_model(), rows) == np.array(rows.labels)
    by_class = [correct[np.array(rows.labels) == label].mean() for label in (0, 1)]
    none = np.zeros((3, 4), dtype=bool)
    assert defender_of(rows, True).accuracy(none) == pytest.approx(np.mean(by_class))
    assert defender_of(rows, False).accuracy(none) == pytest.approx(correct.mean())
    assert accuracies(tiny_model(), rows) == pytest.approx((correct.mean(), np.mean(by_class)))
    assert by_class[0] != by_class[1], "else they would not differ"


def test_the_guardrail_goes_by_the_accuracy_that_is_watched() -> None:
    rows, heads = mostly_one_class(), [(layer, head) for layer in range(3) for head in range(4)]
    order = HeadOrder(np.zeros((3, 4)), heads)
    plain, balanced = (
        [step.val_acc for step in defender_of(rows, watched).steps(order)] for watched in (False, True)
    )
    pruned = [step.pruned for step in defender_of(rows, False).steps(order)]
    assert balanced == [defender_of(rows, True).accuracy(gates) for gates in pruned] != plain


def test_rows_of_one_class_alone_are_as_good_as_their_accuracy() -> None:
    rows = encode(tiny_tokenizer(), Rows(["good film", "a bad plot"], [1, 1]), 64)
    plain, balanced = accuracies(tiny_model(), rows)
    assert plain == balanced
