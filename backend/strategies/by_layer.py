"""Layer after layer from one end of the network: the control that tells where heads go from which go.

No head is measured.  Score: how far the head's layer lies from that end, plus chance below 1 drawn from
the run's seed, so that heads of a layer go in a random order.  Only the `share` of the layers that is
nearest to that end gives heads.  Unless `checked`, all of them go at once, the last of a layer too, and no
guardrail is asked: a search that stops at τ before the second fine-tuning never gets there."""

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
        "bottom", title="First", description="Which end gives its heads first; the bottom reads the words."
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
        description="If not, every head of these layers is pruned at once, whatever it costs.",
    )


def by_layer(defender: "Defender", params: ByLayerParams) -> HeadOrder:
    layers, _ = defender.shape
    distance = np.arange(layers) if params.first == "bottom" else np.arange(layers)[::-1]
    # A stream of its own, as each control has.
    chance = np.random.default_rng([defender.seed, 2]).random(defender.shape)
    found = ascending(distance[:, None] + chance)
    giving = max(1, int(params.share * layers + 1e-9))  # ⌊0.6 · 5⌋ is 3
    order = [head for head in found.order if distance[head[0]] < giving]
    return HeadOrder(found.scores, order, "backtrack" if params.checked else "none")


COMPONENT = Strategy(
    name="by-layer",
    title="Layer by layer (control)",
    summary="All heads of the bottom layers first, or of the top ones: does it matter where they go?",
    params=ByLayerParams,
    function=by_layer,
    control=True,
)
