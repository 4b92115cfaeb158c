"""The statistic of a head, and the regulariser built on it, both from [CLS] rows alone."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

POSITIONS = 127
"""Key positions that the variance runs over; padding and missing positions count as zeros."""


def cls_variance(row: Float[Tensor, "batch head key"]) -> Float[Tensor, "batch head"]:
    """Variance (n − 1 in the denominator, n = 127) of each [CLS] row over the first 127 keys.

    With n fixed, zeros for padding follow from the sums of a and a² alone: (Σa² − (Σa)²/n) / (n − 1).
    Source: PURE (Zhao et al., ICML 2024), section 4; arXiv 2508.20032, section 3."""
    row = row[..., :POSITIONS].double()
    return ((row**2).sum(-1) - row.sum(-1) ** 2 / POSITIONS) / (POSITIONS - 1)


def layer_weights(
    statistic: Float[Tensor, "layer head"], remaining: Float[Tensor, "layer head"]
) -> Float[Tensor, "layer"]:
    """PURE's layer weights c_l: softmax of −log of the mean statistic of the layer's remaining heads,
    min-max scaled to [0, 1] (ones if all layers are equal).  A layer without heads has weight 0,
    and the others are computed without it."""
    has_heads = remaining.sum(1) > 0
    mean = (statistic * remaining).sum(1)[has_heads] / remaining.sum(1)[has_heads]
    weights = (-mean.clamp(min=torch.finfo(mean.dtype).tiny).log()).softmax(0)
    result = torch.zeros(len(has_heads), dtype=mean.dtype)
    if len(weights):
        spread = weights.max() - weights.min()
        result[has_heads] = torch.ones_like(weights) if spread == 0 else (weights - weights.min()) / spread
    return result


def attention_norm(
    rows: Sequence[Float[Tensor, "row head key"]],
    weights: Float[Tensor, "layer"],
    remaining: Float[Tensor, "layer head"],
) -> Float[Tensor, ""]:
    """Σ_l c_l Σ_h ‖A_l,h[CLS, :]‖₂ over the remaining heads, each norm over the batch's stacked
    [CLS] rows of one layer (PURE's attention normalisation)."""
    norms = torch.stack([row.norm(dim=(0, 2)) for row in rows])
    return (norms * remaining).sum(1) @ weights.to(norms.dtype)
