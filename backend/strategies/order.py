"""What a strategy returns: importance over the head grid, and the order in which heads go."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from backend.base.components import Params
from backend.base.errors import UserError
from backend.base.events import Guardrail, Head

if TYPE_CHECKING:
    from backend.training.fine_tune import Regulariser


@dataclass(frozen=True)
class HeadOrder:
    """`scores`: importance, higher is kept longer.  `order`: heads to prune, least important first;
    a head that is absent from it is never a candidate.  `note`: what the strategy found on its way that a
    reader of the scores should know."""

    scores: Float[np.ndarray, "layer head"]
    order: list[Head]
    guardrail: Guardrail = "backtrack"
    note: str = ""


class StrategyParams(Params):
    """Base of the strategies' parameters; one that changes the first fine-tuning says how."""

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        """What the first fine-tuning carries for the sake of this variant of the strategy."""
        return None


def ascending(scores: Float[np.ndarray, "layer head"]) -> HeadOrder:
    """All heads from the lowest score to the highest, ties in the order of the grid.

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

    ranks = rankdata(scores, method="average").reshape(scores.shape) - 1
    return ranks / max(scores.size - 1, 1)
