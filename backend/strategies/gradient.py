"""Gradient: heads whose key projection the loss hardly depends on go first.

Score of head h in layer l: Σ over batches of the ℓ2 norm of the gradient of the batch's mean loss
with respect to that head's rows of the key projection; training split, batches of 32 rows in
data-set order, evaluation mode, loss of the fine-tuned model.
Source: arXiv 2508.20032, section 3, gradient-based pruning."""

from typing import TYPE_CHECKING

from backend.components import Component
from backend.strategies.order import HeadOrder, StrategyParams, ascending

if TYPE_CHECKING:
    from backend.defender import Defender


class GradientParams(StrategyParams):
    """The score has no parameter of its own."""


def gradient(defender: "Defender", params: GradientParams) -> HeadOrder:
    return ascending(defender.key_gradient_norms())


COMPONENT = Component(
    name="gradient",
    title="Gradient",
    summary="Heads whose key projection the loss hardly depends on go first.",
    params=GradientParams,
    function=gradient,
    variants=("paper",),
)
