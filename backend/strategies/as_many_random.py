"""As many random heads per layer as another strategy takes: the control that separates which heads are
pruned from how many, and in which layers.

The other strategy's search runs first, with its guardrail; then as many heads of each layer are
drawn from the run's seed and pruned at once, unchecked."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator

from backend.base.components import Choice, Strategy
from backend.heads.order import HeadOrder
from backend.strategies.nested import Part, with_trait
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender
    from backend.training.regularisers import Regulariser


class AsManyParams(StrategyParams):
    strategy: Part = Field(
        "gradient",
        validate_default=True,
        title="As many as",
        description="The strategy that is imitated; `gradient:published` for a variant.",
        json_schema_extra={"format": "strategy", "trait": "own_order"},
    )

    @field_validator("strategy")
    @classmethod
    def _known(cls, part: Part) -> Part:
        return with_trait(part, "own_order", "imitate")

    def parts(self) -> tuple[Choice, ...]:
        return (self.strategy,)

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        from backend.strategies import fine_tune_regulariser

        return fine_tune_regulariser(self.strategy)


def as_many(defender: "Defender", params: AsManyParams) -> HeadOrder:
    from backend.strategies import score

    *_, last = defender.steps(score(defender, params.strategy))
    # A separate random stream: strategies draw from that of the seed alone.
    rng = np.random.default_rng([defender.seed, 1])
    chance = rng.random(defender.shape)
    order = []
    for layer, count in enumerate(last.pruned.sum(axis=1)):
        order += [(layer, int(head)) for head in np.argsort(chance[layer])[:count]]
    return HeadOrder(chance, order, "none")


COMPONENT = Strategy(
    name="as-many-random",
    title="As many random heads per layer (control)",
    summary="Random heads, as many of each layer as another strategy takes: does it matter which?",
    params=AsManyParams,
    function=as_many,
    control=True,
    own_order=False,
)
