"""How far strategies agree on which heads matter least."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from backend.base.events import Head, HeadScores

CERTAIN = 1 - 1e-9


def prune_ranks(scores: HeadScores) -> Float[np.ndarray, "head"]:
    """Each head's rank in the order of pruning, 0 for the first, layer by layer; heads that are never
    candidates share the mean of the ranks after the last candidate."""
    grid = np.full((scores.layers, scores.heads), 0.0)
    unranked = set(np.ndindex(grid.shape))
    for rank, head in enumerate(scores.order):
        grid[head] = rank
        unranked.discard(tuple(head))
    for head in unranked:
        grid[head] = len(scores.order) + (len(unranked) - 1) / 2
    return grid.ravel()


def ranks(values: Float[np.ndarray, "head"]) -> Float[np.ndarray, "head"]:
    """0 for the lowest; equal values share the mean of their ranks."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right") - 1) / 2


def rank_correlation(first: Float[np.ndarray, "head"], second: Float[np.ndarray, "head"]) -> float:
    """Spearman's ρ of two rankings; 0 where one is all ties."""
    spread = first.std() * second.std()
    products = (first - first.mean()) * (second - second.mean())
    return float(products.mean() / spread) if spread else 0.0


def rank_interval(rho: float, count: int) -> tuple[float, float]:
    """A 95 % interval of Spearman's ρ over `count` pairs (Bonett and Wright, Psychometrika 2000); from −1 to
    1 where the pairs are too few."""
    if count < 4:
        return -1.0, 1.0
    reach = 1.96 * math.sqrt((1 + rho**2 / 2) / (count - 3))
    middle = math.atanh(max(-CERTAIN, min(CERTAIN, rho)))
    return math.tanh(middle - reach), math.tanh(middle + reach)


def rank_correlations(scores: Sequence[HeadScores]) -> Float[np.ndarray, "strategy strategy"]:
    """Spearman's ρ of every pair's orders, over all heads of the grid."""
    orders = [prune_ranks(strategy) for strategy in scores]
    return np.array([[rank_correlation(first, second) for second in orders] for first in orders])


def overlaps(scores: Sequence[HeadScores], count: int) -> Float[np.ndarray, "strategy strategy"]:
    """The share of the first `count` heads to be pruned that a pair has in common.  Raises ValueError for a
    count below 1."""
    if count < 1:
        raise ValueError(f"got a count of {count}, expected at least 1 head")
    heads = [{tuple(head) for head in strategy.order[:count]} for strategy in scores]
    return np.array([[len(first & second) / count for second in heads] for first in heads])


def by_layer(
    scores: HeadScores, pruned: Sequence[Head], restored: Sequence[Head]
) -> list[dict[str, float | int | None]]:
    """For each layer: mean importance, mean rank (1 is pruned first; None where no head of it is a
    candidate), and where any was pruned: heads pruned, tried and restored, and kept."""
    rank = {tuple(head): number for number, head in enumerate(scores.order, start=1)}
    rows: list[dict[str, float | int | None]] = []
    for layer, row in enumerate(scores.scores):
        importances = [score for score in row if score is not None]
        ranked = [rank[layer, head] for head in range(scores.heads) if (layer, head) in rank]
        gone = sum(head[0] == layer for head in pruned)
        back = len({tuple(head) for head in restored if head[0] == layer})
        counts = {"Pruned": gone, "Tried and restored": back, "Kept": scores.heads - gone}
        rows.append(
            {
                "Layer": layer,
                "Mean importance": float(np.mean(importances)) if importances else None,
                "Mean rank": float(np.mean(ranked)) if ranked else None,
                **(counts if pruned or restored else {}),
            }
        )
    return rows
