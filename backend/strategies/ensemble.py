"""Random ensemble: the gradient score mixed with random draws and averaged.

score = α · uniform random score + (1 − α) · rank-normalised gradient score, averaged over M draws;
heads of the lowest score go first, under the guardrail.
Source: arXiv 2508.20032, section 3, randomised ensemble.

`published`: M draws that each prune 2 random heads of every layer; draws whose validation accuracy is
at least τ are kept, and the union of their heads is pruned, unchecked.  Importance: minus the number of
kept draws that a head is in."""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from backend.base.components import Strategy
from backend.heads.order import HeadOrder, ascending, rank_normalised
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class EnsembleParams(StrategyParams):
    alpha: float = Field(
        0.5, ge=0, le=1, title="Share of chance α", description="0: gradient alone, 1: chance alone."
    )
    draws: int = Field(5, ge=1, le=1000, title="Draws M", description="Random draws that are averaged.")


def ensemble(defender: "Defender", params: EnsembleParams, variant: str = "paper") -> HeadOrder:
    if variant == "published":
        return kept_draws(defender, params.draws)
    chance = np.random.default_rng(defender.seed).random((params.draws, *defender.shape)).mean(axis=0)
    return ascending(
        params.alpha * chance + (1 - params.alpha) * rank_normalised(defender.key_gradient_norms())
    )


def kept_draws(defender: "Defender", draws: int, by_layer: int = 2) -> HeadOrder:
    """The union of the random draws that pass the guardrail one by one."""
    rng = np.random.default_rng(defender.seed)
    layers, heads = defender.shape
    kept = np.zeros(defender.shape)
    for done in range(draws):
        draw = np.zeros(defender.shape, dtype=bool)
        for layer in range(layers):
            draw[layer, rng.permutation(heads)[:by_layer]] = True
        if defender.accuracy(draw) >= defender.threshold:
            kept += draw
        defender.tick(done + 1, draws)
    order = ascending(-kept).order
    spared = dict(order)  # the last head of each layer
    union = [head for head in order if kept[head] and spared[head[0]] != head[1]]
    return HeadOrder(-kept, union, "none")


COMPONENT = Strategy(
    name="ensemble",
    title="Random ensemble",
    summary="The gradient score mixed with random draws, averaged over several of them.",
    params=EnsembleParams,
    function=ensemble,
    variants=("paper", "published"),
    variant_notes={
        "published": (
            "The authors' script draws two random heads of each layer, keeps the draws that pass τ one by "
            "one, and prunes the union of them unchecked."
        )
    },
)
