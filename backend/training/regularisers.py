"""Terms added to the cross-entropy in fine-tuning: their settings, without torch, and the penalties."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from backend.heads.grid import HeadGrid


@dataclass(frozen=True)
class Regulariser:
    """The terms added to the cross-entropy.

    `l1` and `l2` weigh the un-squared norms of the attention projections' weight matrices (query,
    key, value, output), each without the parts of pruned heads; `by_name` those of every
    parameter named both "attention" and "weight", as the published script does.  `attention` weighs
    PURE's attention normalisation with the layer weights `layers` (c_l).  `layer_wise` adds the mean
    over layers of the cross-entropy of one linear classifier, shared by all layers and discarded
    afterwards, on each layer's [CLS], so that early layers learn the task and its trigger too (layer
    weight poisoning, Li et al., EMNLP 2021).  With `entropy` the mean entropy of the outputs is maximised
    instead of minimising the cross-entropy with the labels (MEFT)."""

    l1: float = 0.0
    l2: float = 0.0
    attention: float = 0.0
    layers: "Float[Tensor, 'layer'] | None" = None
    layer_wise: bool = False
    by_name: bool = False
    entropy: bool = False


NO_REGULARISER = Regulariser()


def projection_penalty(grid: "HeadGrid", l1: float, l2: float) -> "Float[Tensor, '']":
    """l1 · Σ‖W‖₁ + l2 · Σ‖W‖₂ (un-squared) over the attention projections, without pruned heads."""
    import torch

    remaining = ~torch.as_tensor(grid.pruned())
    total = torch.zeros((), device=grid.sites[0].output.weight.device)
    for site, active in zip(grid.sites, remaining, strict=True):
        kept = active.to(total.device).repeat_interleave(site.output.in_features // grid.heads)
        inputs = [linear.weight[kept] for linear in (site.query, site.key, site.value)]
        for weight in (*inputs, site.output.weight[:, kept]):
            total = total + l1 * weight.abs().sum() + l2 * weight.norm()
    return total


def named_penalty(grid: "HeadGrid", l1: float, l2: float) -> "Float[Tensor, '']":
    """l1 · Σ‖W‖₁ + l2 · Σ‖W‖₂ over every parameter named both "attention" and "weight"."""
    import torch

    named = [
        parameter
        for name, parameter in grid.model.named_parameters()
        if "attention" in name and "weight" in name
    ]
    norms = [l1 * parameter.abs().sum() + l2 * parameter.norm() for parameter in named]
    return torch.stack(norms).sum()
