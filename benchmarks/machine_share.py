"""The share of the machine's peak rate that evaluation and fine-tuning reach; products of padding tokens do
not count."""

import statistics
import time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from backend.evaluation.evaluator import Evaluator
from backend.heads import packed_forward
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint
from backend.spec.run import TrainingSpec
from backend.training.fine_tune import train
from benchmarks.common import timed
from benchmarks.speed_case import ROWS_PER_BATCH, SEED, Case


def peak_rate(size: int = 4096) -> float:
    """FLOP per second of one large float32 matrix product, by the faster library at hand."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    seconds = [timed(lambda: left @ right)[0]]
    if packed_forward.FUSED is not None:
        seconds.append(timed(lambda: packed_forward.FUSED(left, right, None, "none", [], ""))[0])
    return 2 * size**3 / min(seconds)


def forward_flops(grid: HeadGrid, lengths: list[int]) -> float:
    """FLOP of the matrix products in a forward pass over rows of these lengths."""
    config = grid.model.config
    h, ff = config.hidden_size, config.intermediate_size
    tokens, rows, squares = sum(lengths), len(lengths), sum(n * n for n in lengths)
    earlier = (grid.layers - 1) * (tokens * (8 * h * h + 4 * h * ff) + 4 * h * squares)
    last = tokens * 4 * h * h + rows * (4 * h * h + 4 * h * ff) + 4 * h * tokens
    return float(earlier + last + rows * 2 * h * h)


def machine_shares(case: Case, quick: bool) -> dict[str, Any]:
    """The shares of the machine's rate that evaluation and a fine-tuning step reach, the latter also with
    the products of the library's default, which on an Intel CPU are the same."""
    grid = HeadGrid(case.model)
    shares: dict[str, list[float]] = {"evaluation": [], "fine_tuning": [], "fine_tuning_without_onednn": []}
    peaks = []
    nothing_pruned = np.zeros(grid.shape, dtype=bool)
    for _ in range(1 if quick else 3):
        before = peak_rate()
        evaluator = Evaluator(grid, case.validation)
        seconds, _ = timed(lambda evaluator=evaluator: evaluator.logits(nothing_pruned))
        between = peak_rate()
        evaluated = forward_flops(grid, case.validation.lengths()) / seconds
        trained = training_rate(case, steps=4 if quick else 50)
        with patch.object(packed_forward, "FUSED", None):
            trained_without_onednn = training_rate(case, steps=4 if quick else 50)
        after = peak_rate()
        shares["evaluation"].append(evaluated / statistics.mean((before, between)))
        shares["fine_tuning"].append(trained / statistics.mean((between, after)))
        shares["fine_tuning_without_onednn"].append(
            trained_without_onednn / statistics.mean((between, after))
        )
        peaks += [before, between, after]
    return {
        "matrix_product_gflops": statistics.median(peaks) / 1e9,
        **{name: statistics.median(values) for name, values in shares.items()},
        "each": shares,
    }


def training_rate(case: Case, steps: int) -> float:
    """FLOP per second of fine-tuning steps of 32 rows, from the end of the first to that of the last.

    The Trainer takes the longest rows first, so the first step's are the 32 longest; forward and
    backward together are three times the forward products."""
    rows = case.train.sample(ROWS_PER_BATCH * steps, SEED)
    model = load_checkpoint(case.folder)
    ends: list[float] = []
    train(
        model,
        rows,
        TrainingSpec(epochs=1, learning_rate=1e-5),
        seed=SEED,
        scratch=case.scratch / "rate",
        tick=lambda _, __: ends.append(time.perf_counter()),
    )
    later = sorted(rows.lengths())[:-ROWS_PER_BATCH]
    return 3 * forward_flops(HeadGrid(model), later) / (ends[-1] - ends[0])
