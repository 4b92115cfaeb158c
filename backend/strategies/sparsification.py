"""Structured sparsification: the gradient score, on a model whose first fine-tuning favours sparse weights.

The first fine-tuning carries L1 and L2 penalties (the un-squared norms) on the weight matrices of
the attention projections (query, key, value, output); then heads are scored as by `gradient`.
Source: arXiv 2508.20032, section 3, gradient-based pruning with L1/L2 sparsification.

`published`: the penalties fall on every parameter named both "attention" and "weight", layer norms too,
and heads are scored as by the published gradient."""

from typing import TYPE_CHECKING

from pydantic import Field

from backend.base.components import Strategy
from backend.heads.order import HeadOrder
from backend.strategies.gradient import GradientParams, gradient
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender
    from backend.training.regularisers import Regulariser


class SparsificationParams(StrategyParams):
    l1: float = Field(
        1e-4, ge=0, le=1, title="L1 weight", description="Weight of Σ‖W‖₁ in the first fine-tuning."
    )
    l2: float = Field(
        1e-4, ge=0, le=1, title="L2 weight", description="Weight of Σ‖W‖₂ in the first fine-tuning."
    )

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        from backend.training.regularisers import Regulariser

        return Regulariser(l1=self.l1, l2=self.l2, by_name=variant == "published")


def sparsification(defender: "Defender", params: SparsificationParams, variant: str = "paper") -> HeadOrder:
    return gradient(defender, GradientParams(), variant)


COMPONENT = Strategy(
    name="sparsification",
    title="Gradient with L1/L2 sparsification",
    summary="The gradient score, after a first fine-tuning that pushes attention weights towards zero.",
    params=SparsificationParams,
    function=sparsification,
    variants=("paper", "published"),
    variant_notes={
        "published": (
            "The authors' script penalises layer norms too, and scores as their gradient does: whole "
            "layers go."
        )
    },
)
