"""The base of the strategies' parameters."""

from typing import TYPE_CHECKING

from backend.base.components import Choice, Params

if TYPE_CHECKING:
    from backend.training.regularisers import Regulariser


class StrategyParams(Params):
    """A strategy that changes the first fine-tuning, or calls other strategies, overrides these."""

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        """The regulariser that this variant of the strategy needs in the first fine-tuning."""
        return None

    def parts(self) -> tuple[Choice, ...]:
        """The other strategies that it calls."""
        return ()
