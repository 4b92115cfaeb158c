"""Variance: heads whose [CLS] attention varies least go first, wherever they are.

Score: mean statistic over the validation rows.
Source: PURE (Zhao et al., ICML 2024), section 4."""

from typing import TYPE_CHECKING

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class GlobalVarianceParams(StrategyParams):
    """The score has no parameter of its own."""


def global_variance(defender: "Defender", params: GlobalVarianceParams) -> HeadOrder:
    return ascending(defender.cls_variance())


COMPONENT = Strategy(
    name="variance",
    title="Variance (PURE)",
    summary="Heads whose [CLS] attention varies least go first, wherever they are.",
    params=GlobalVarianceParams,
    function=global_variance,
)
