"""No head: the control in which everything else is the same."""

from typing import TYPE_CHECKING

import numpy as np

from backend.base.components import Strategy
from backend.heads.order import HeadOrder
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class NoneParams(StrategyParams):
    """There is nothing to choose."""


def none(defender: "Defender", params: NoneParams) -> HeadOrder:
    return HeadOrder(np.zeros(defender.shape), [])


COMPONENT = Strategy(
    name="none",
    title="No head (control)",
    summary="No head is pruned; every fine-tuning is the same: what pruning has to beat.",
    params=NoneParams,
    function=none,
    control=True,
    prunes=False,
    own_order=False,
)
