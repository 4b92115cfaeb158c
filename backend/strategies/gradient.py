"""Gradient: heads whose key projection the loss hardly depends on go first.

Score of head h in layer l: Σ over batches of the ℓ2 norm of the gradient of the batch's mean loss
with respect to that head's rows of the key projection; training split, batches of 32 rows in
data-set order, evaluation mode, loss of the fine-tuned model.
Source: arXiv 2508.20032, section 3, gradient-based pruning.

`published`: the authors' script takes the norm of the layer's whole gradient, in training mode, for each
of its heads and divides by the layer's sum.  Every head scores 1/H up to float32 rounding, so the key
gradients play no part: whole layers go, head 0 first, in an order that rounding decides."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class GradientParams(StrategyParams):
    """The score has no parameter of its own."""


def gradient(defender: "Defender", params: GradientParams, variant: str = "paper") -> HeadOrder:
    if variant == "published":
        return replace(ascending(published_scores(defender)), guardrail="give back")
    return ascending(defender.key_gradient_norms())


def published_scores(defender: "Defender") -> Float[np.ndarray, "layer head"]:
    """Each layer's norm over the sum of H times that norm, in float32 as the script computes it."""
    norms = defender.layer_key_gradient_norms().astype(np.float32)
    same = np.repeat(norms[:, None], defender.shape[1], axis=1)
    shares: Float[np.ndarray, "layer head"] = same / same.sum(axis=1, keepdims=True)
    return shares.astype(np.float64)


COMPONENT = Strategy(
    name="gradient",
    title="Gradient",
    summary="Heads whose key projection the loss hardly depends on go first.",
    params=GradientParams,
    function=gradient,
    variants=("paper", "published"),
    variant_notes={
        "published": (
            "The authors' script takes the norm of a layer's whole gradient for each of its heads and "
            "divides by the layer's sum: all heads score alike, and whole layers go in an order that "
            "rounding decides."
        )
    },
)
