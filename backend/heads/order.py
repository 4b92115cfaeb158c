"""Heads in pruning order, as a strategy returns them, and grids of pruned heads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from backend.base.errors import UserError
from backend.base.events import Guardrail, Head


@dataclass(frozen=True)
class HeadOrder:
    """`scores`: importance, higher is kept longer.  `order`: heads to prune, least important first;
    a head that is absent from it is never a candidate.  `step_sizes`: how many heads of the order each
    step tries, where that is not the run's s.  `note`: a remark of the strategy for readers of the scores."""

    scores: Float[np.ndarray, "layer head"]
    order: list[Head]
    guardrail: Guardrail = "backtrack"
    note: str = ""
    step_sizes: Sequence[int] = ()


def ascending(scores: Float[np.ndarray, "layer head"]) -> HeadOrder:
    """All heads from the lowest score to the highest, ties in grid order.

    Raises UserError if a score is not finite."""
    if not np.isfinite(scores).all():
        raise UserError(
            "A head's score is not a finite number: the fine-tuned model has overflowed. "
            "Lower the learning rate or the regulariser weight."
        )
    layers, heads = np.unravel_index(np.argsort(scores, axis=None, kind="stable"), scores.shape)
    return HeadOrder(scores, [(int(layer), int(head)) for layer, head in zip(layers, heads, strict=True)])


def rank_normalised(scores: Float[np.ndarray, "layer head"]) -> Float[np.ndarray, "layer head"]:
    """Ranks scaled to [0, 1]: 0 the lowest score, 1 the highest, equal scores alike."""
    from scipy.stats import rankdata  # a second to import, and listings need none of it

    ranks: Float[np.ndarray, "layer head"] = rankdata(scores, method="average").reshape(scores.shape) - 1
    return ranks / max(scores.size - 1, 1)


def grid_of(heads: Iterable[Head], shape: tuple[int, int]) -> Bool[np.ndarray, "layer head"]:
    """The grid in which exactly these heads are set."""
    grid = np.zeros(shape, dtype=bool)
    for layer, head in heads:
        grid[layer, head] = True
    return grid
