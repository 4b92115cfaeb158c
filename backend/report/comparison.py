"""Several runs together: which are on the Pareto front, and which heads they pruned in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from backend.base.events import Head, Interval
from backend.findings.check import CheckLevel


@dataclass(frozen=True)
class Published:
    """A result of the paper: its ACC and LFR as shares."""

    title: str
    acc: float
    lfr: float


# CIKM 2025, arXiv 2508.20032, on BERT-base and SST-2.  Only these two are given here.
PUBLISHED = (
    Published("Gradient, syntactic trigger (the paper's)", 0.9161, 0.3171),
    Published("RL-guided, style trigger (the paper's)", 0.9283, 0.2811),
)


@dataclass(frozen=True)
class Compared:
    """One run: its last model's rates with Wilson 95 % intervals, and the heads that it pruned on a grid
    of `shape` (layers, heads; None where it scored none).  `check` is the verdict of its check, None without
    one."""

    run: str
    title: str
    state: str
    trigger: str
    strategy: str
    acc: float
    acc_interval: Interval
    lfr: float | None
    lfr_interval: Interval | None
    pruned: list[Head]
    shape: tuple[int, int] | None
    check: CheckLevel | None = None


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indices of the (LFR, ACC) points that no other beats: none has an LFR as low and an ACC as high
    and is better in one of them.  By rising LFR; equal points are all kept."""
    front = []
    for i, (lfr, acc) in enumerate(points):
        beaten = any(
            other_lfr <= lfr and other_acc >= acc and (other_lfr < lfr or other_acc > acc)
            for other_lfr, other_acc in points
        )
        if not beaten:
            front.append(i)
    return sorted(front, key=lambda i: points[i])


def overlap(runs: Sequence[Compared]) -> Float[np.ndarray, "run other"]:
    """Jaccard's index of the heads that each pair pruned: common ones of all that either pruned (1 where
    neither pruned any)."""
    sets = [set(run.pruned) for run in runs]
    return np.array([[len(a & b) / len(a | b) if a | b else 1.0 for b in sets] for a in sets])


def overlap_by_chance(one: int, other: int, heads: int) -> float:
    """About Jaccard's index of random sets of `one` and `other` of so many heads: the expected number in
    common over the expected number in either."""
    common = one * other / heads
    either = one + other - common
    return common / either if either else 1.0


def times_pruned(runs: Sequence[Compared], shape: tuple[int, int]) -> Int[np.ndarray, "layer head"]:
    """How many of the runs pruned each head."""
    grid = np.zeros(shape, dtype=int)
    for run in runs:
        for head in set(run.pruned):
            grid[head] += 1
    return grid
