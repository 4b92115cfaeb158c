"""Random order: the control that every strategy has to beat.

Heads go in an order drawn uniformly from the run's seed, under the same guardrail."""

from typing import TYPE_CHECKING

import numpy as np

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class RandomParams(StrategyParams):
    """The order has no parameter but the run's seed."""


def random_order(defender: "Defender", params: RandomParams) -> HeadOrder:
    # A separate random stream: the ensemble draws from that of the seed alone.
    return ascending(np.random.default_rng([defender.seed, 3]).random(defender.shape))


COMPONENT = Strategy(
    name="random",
    title="Random order (control)",
    summary="Heads go in a random order: the control that every strategy has to beat.",
    params=RandomParams,
    function=random_order,
    control=True,
)
