"""How far strategies agree on which heads matter least."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from backend.base.events import Head, HeadScores

CERTAIN = 1 - 1e-9


def places(scores: HeadScores) -> Float[np.ndarray, "head"]:
    """Each head's place in line, 0 first to go, layer by layer; heads that are never candidates stand
    together behind the last."""
    line = np.full((scores.layers, scores.heads), 0.0)
    waiting = set(np.ndindex(line.shape))
    for place, head in enumerate(scores.order):
        line[head] = place
        waiting.discard(tuple(head))
    for head in waiting:
        line[head] = len(scores.order) + (len(waiting) - 1) / 2
    return line.ravel()


def ranks(values: Float[np.ndarray, "head"]) -> Float[np.ndarray, "head"]:
    """0 for the lowest; equal values share the mean of their ranks."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right") - 1) / 2


def rank_correlation(one: Float[np.ndarray, "head"], other: Float[np.ndarray, "head"]) -> float:
    """Spearman's ρ of two rankings; 0 where one is all ties."""
    spread = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread else 0.0


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
    lines = [places(one) for one in scores]
    return np.array([[rank_correlation(one, other) for other in lines] for one in lines])


def overlaps(scores: Sequence[HeadScores], count: int) -> Float[np.ndarray, "strategy strategy"]:
    """The share of the first `count` heads to go that a pair has in common.  Raises ValueError for a
    count below 1."""
    if count < 1:
        raise ValueError(f"got a count of {count}, expected at least 1 head")
    first = [{tuple(head) for head in one.order[:count]} for one in scores]
    return np.array([[len(one & other) / count for other in first] for one in first])


def by_layer(
    scores: HeadScores, pruned: Sequence[Head], restored: Sequence[Head]
) -> list[dict[str, float | int | None]]:
    """For each layer: mean importance, mean place in line (1 is first to go; None where no head of it is
    a candidate), heads pruned, tried and restored, and never touched."""
    place = {tuple(head): number for number, head in enumerate(scores.order, start=1)}
    found: list[dict[str, float | int | None]] = []
    for layer, row in enumerate(scores.scores):
        known = [score for score in row if score is not None]
        line = [place[layer, head] for head in range(scores.heads) if (layer, head) in place]
        gone = sum(head[0] == layer for head in pruned)
        back = len({tuple(head) for head in restored if head[0] == layer})
        found.append(
            {
                "Layer": layer,
                "Mean importance": float(np.mean(known)) if known else None,
                "Mean place in line": float(np.mean(line)) if line else None,
                "Pruned": gone,
                "Tried and restored": back,
                "Kept": scores.heads - gone,
            }
        )
    return found
