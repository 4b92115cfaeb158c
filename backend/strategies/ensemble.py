"""Random ensemble: the gradient score, shaken by random draws and averaged.

score = α · uniform random score + (1 − α) · rank-normalised gradient score, averaged over M draws;
heads of the lowest score go first, under the guardrail.
Source: arXiv 2508.20032, section 3, randomised ensemble."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from backend.components import Component
from backend.strategies.order import HeadOrder, StrategyParams, ascending, rank_normalised

if TYPE_CHECKING:
    from backend.defender import Defender


class EnsembleParams(StrategyParams):
    alpha: float = Field(
        0.5, ge=0, le=1, title="Share of chance α", description="0: gradient alone, 1: chance alone."
    )
    draws: int = Field(5, ge=1, le=1000, title="Draws M", description="Random draws that are averaged.")


def ensemble(defender: "Defender", params: EnsembleParams) -> HeadOrder:
    chance = np.random.default_rng(defender.seed).random((params.draws, *defender.shape)).mean(axis=0)
    return ascending(
        params.alpha * chance + (1 - params.alpha) * rank_normalised(defender.key_gradient_norms())
    )


COMPONENT = Component(
    name="ensemble",
    title="Random ensemble",
    summary="The gradient score mixed with random draws, averaged over several of them.",
    params=EnsembleParams,
    function=ensemble,
    variants=("paper",),
)
