"""The base of the strategies' parameters."""

from typing import TYPE_CHECKING

from backend.base.components import Choice, Params

if TYPE_CHECKING:
    from backend.training.regularisers import Regulariser


class StrategyParams(Params):
    """One that changes the first fine-tuning says how, one that calls other strategies which."""

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        """What the first fine-tuning carries for the sake of this variant of the strategy."""
        return None

    def parts(self) -> tuple[Choice, ...]:
        """The other strategies that it calls."""
        return ()
