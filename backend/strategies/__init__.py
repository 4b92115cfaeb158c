"""Which heads are pruned first: one file per strategy, each a `COMPONENT`, a `Strategy` with its traits.

A strategy is `function(defender, params=…) -> HeadOrder`.  It sees the model and clean
data through `backend.pruning.defender.Defender` and nothing of any trigger.  One with variants is also given
`variant=…`: `paper`, as the paper describes it, or `published`, what its authors' scripts compute."""

from typing import TYPE_CHECKING

from backend.base.components import Choice, Strategy, collect, pick

if TYPE_CHECKING:
    from backend.heads.order import HeadOrder
    from backend.pruning.defender import Defender
    from backend.training.regularisers import Regulariser

COMPONENTS = collect("backend.strategies", Strategy)


def score(defender: "Defender", choice: Choice) -> "HeadOrder":
    """Importance of every head and the pruning order; raises UserError for a wrong choice."""
    strategy = pick("strategy", COMPONENTS, choice)
    params = strategy.parse(choice.params)
    variant = {"variant": choice.variant or strategy.variants[0]} if strategy.variants else {}
    order: HeadOrder = strategy.function(defender, params=params, **variant)
    return order


def fine_tune_regulariser(choice: Choice) -> "Regulariser | None":
    """The regulariser that the strategy needs in the first fine-tuning; None if it needs none."""
    from backend.strategies.params import StrategyParams

    strategy = pick("strategy", COMPONENTS, choice)
    params = strategy.parse(choice.params)
    assert isinstance(params, StrategyParams)
    return params.fine_tune_regulariser(choice.variant or next(iter(strategy.variants), ""))


def names_within(choice: Choice) -> list[str]:
    """The names of a strategy and of those that it calls."""
    from backend.strategies.params import StrategyParams

    params = pick("strategy", COMPONENTS, choice).parse(choice.params)
    assert isinstance(params, StrategyParams)
    return [choice.name, *(name for part in params.parts() for name in names_within(part))]
