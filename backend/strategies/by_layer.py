"""Layer after layer from one end of the network: the control that separates in which layers
heads are pruned from which heads.

No head is measured.  Score: the distance of the head's layer from that end, plus a random number below 1
from the run's seed, so that heads of a layer go in a random order.  Only the `share` of the layers
nearest to that end loses heads.  Unless `checked`, all of these are pruned at once, also the last of a
layer, without the guardrail: a search that stops at τ before the second fine-tuning never gets that far."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class ByLayerParams(StrategyParams):
    first: Literal["bottom", "top"] = Field(
        "bottom", title="First", description="At which end pruning begins; the bottom layers read the words."
    )
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Share of the layers",
        description="Counted from that end, rounded down, at least one layer; the others keep every head.",
    )
    checked: bool = Field(
        True,
        title="Under the guardrail",
        description="If not, all heads of these layers are pruned at once, whatever accuracy that costs.",
    )


def by_layer(defender: "Defender", params: ByLayerParams) -> HeadOrder:
    layers, _ = defender.shape
    distance = np.arange(layers) if params.first == "bottom" else np.arange(layers)[::-1]
    # A separate random stream, as in each control.
    chance = np.random.default_rng([defender.seed, 2]).random(defender.shape)
    by_distance = ascending(distance[:, None] + chance)
    layers_pruned = max(1, int(params.share * layers + 1e-9))  # ⌊0.6 · 5⌋ is 3
    order = [head for head in by_distance.order if distance[head[0]] < layers_pruned]
    return HeadOrder(by_distance.scores, order, "backtrack" if params.checked else "none")


COMPONENT = Strategy(
    name="by-layer",
    title="Layer by layer (control)",
    summary="All heads of the bottom layers first, or of the top ones: does it matter where they go?",
    params=ByLayerParams,
    function=by_layer,
    control=True,
)
