"""Layer-wise variance: heads whose [CLS] attention varies least go first, later layers giving more.

Score: mean statistic (variance of the [CLS] row) over the validation rows.  Layer l of L prunes
only among its own ⌊r_l · H⌋ lowest, r_l rising linearly from `first_share` in the first to
`last_share` in the last layer.  Candidates of all layers are ordered by their rank within the
layer over the layer's quota.
Source: arXiv 2508.20032, section 3, layer-wise variance; the statistic is PURE's.

`published`: the same quotas, all at once and unchecked by the guardrail."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class VarianceParams(StrategyParams):
    first_share: float = Field(
        0.2, ge=0, le=1, title="Share of the first layer", description="Of its heads, how many may go."
    )
    last_share: float = Field(
        0.8, ge=0, le=1, title="Share of the last layer", description="Shares between rise linearly."
    )


def layer_variance(defender: "Defender", params: VarianceParams, variant: str = "paper") -> HeadOrder:
    scores = defender.cls_variance()
    layers, heads = scores.shape
    # The small term keeps ⌊0.6 · 10⌋ at 6 where floating point makes it 5.999….
    quotas = np.floor(np.linspace(params.first_share, params.last_share, layers) * heads + 1e-9).astype(int)
    if variant == "published":  # which keeps one head of each layer, whatever its quota
        quotas = quotas.clip(max=heads - 1)
    by_layer = dict.fromkeys(range(layers), 0)
    candidates = []
    for layer, head in ascending(scores).order:
        by_layer[layer] += 1
        if by_layer[layer] <= quotas[layer]:
            candidates.append((by_layer[layer] / quotas[layer], layer, head))
    order = [(layer, head) for _, layer, head in sorted(candidates)]
    return HeadOrder(scores, order, "none" if variant == "published" else "backtrack")


COMPONENT = Strategy(
    name="layer-variance",
    title="Layer-wise variance",
    summary="Heads whose [CLS] attention varies least go first, with a quota that grows from layer to layer.",
    params=VarianceParams,
    function=layer_variance,
    variants=("paper", "published"),
    variant_notes={"published": "The authors' script prunes every layer's quota at once, whatever it costs."},
)
