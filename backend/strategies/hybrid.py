"""Hybrid: combines the importances of several strategies (the paper's open question 1).

`rank-mean`: weighted mean of rank-normalised scores.  `borda`: weighted count of the heads that each
strategy's order prunes before this one; heads missing from an order count as kept by it.
`z-score`: weighted mean of standardised scores.  `intersection`: the worst rank, so that a head goes
early only if all strategies agree.  `sequential`: the first strategy chooses the `share` of heads
that may go, the second orders those and chooses again, and so on; the last one's order is followed.
Only `borda` and `sequential` read orders; the others read scores, and ignore an order that
differs from that of the scores (the quotas of layer-wise variance).

`weights` are given, or learned from clean data alone: for random sets of heads the loss of validation
accuracy is measured and fitted, by non-negative least squares, to the importances that each strategy
gives the sets' heads.  Strategies that explain nothing get weight 0."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator

from backend.base.components import Choice, Strategy
from backend.base.errors import UserError
from backend.heads.order import HeadOrder, ascending, rank_normalised
from backend.strategies.nested import Part, with_trait
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender
    from backend.training.regularisers import Regulariser

Scores = Float[np.ndarray, "strategy layer head"]


class HybridParams(StrategyParams):
    strategies: tuple[Part, ...] = Field(
        ("gradient", "reinforcement"),
        validate_default=True,
        min_length=2,
        max_length=6,
        title="Strategies",
        description="What is combined, in order; `ensemble:published` for a variant.",
        json_schema_extra={"format": "strategy", "trait": "can_be_combined"},
    )
    fusion: Literal["rank-mean", "borda", "z-score", "intersection", "sequential"] = Field(
        "rank-mean", title="Fusion", description="How their importances are combined."
    )
    weights: tuple[float, ...] = Field(
        (), title="Weights", description="One for each strategy; none: equal.  Of means and Borda counts."
    )
    learned: bool = Field(
        False, title="Learn the weights", description="From clean validation data, instead of giving them."
    )
    share: float = Field(
        0.6, gt=0, le=1, title="Share", description="Of the heads, at each turn (sequential)."
    )
    sets: int = Field(24, ge=4, le=1000, title="Sets of heads", description="Measured to learn the weights.")
    rows: int = Field(256, ge=16, title="Rows", description="Validation rows that a set is measured on.")

    @field_validator("strategies")
    @classmethod
    def _known(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(with_trait(part, "can_be_combined", "combine") for part in parts)

    @model_validator(mode="after")
    def _weighed(self) -> "HybridParams":
        if self.weights and len(self.weights) != len(self.strategies):
            raise ValueError(f"got {len(self.weights)} weights for {len(self.strategies)} strategies")
        if any(weight < 0 for weight in self.weights) or (self.weights and not sum(self.weights)):
            raise ValueError("weights must be 0 or more, and not all 0")
        if self.learned and (self.weights or self.fusion in ("intersection", "sequential")):
            raise ValueError("weights are learned only where none are given, for means and Borda counts")
        if self.weights and self.fusion in ("intersection", "sequential"):
            raise ValueError(f"{self.fusion} does not use weights; give none, or choose another fusion")
        if len(self._regularisers()) > 1:
            raise ValueError("the strategies need different first fine-tunings, but there is only one")
        return self

    def _regularisers(self) -> "list[Regulariser]":
        """The different regularisers that its strategies need."""
        from backend.strategies import fine_tune_regulariser

        regularisers = [fine_tune_regulariser(part) for part in self.strategies]
        return list(dict.fromkeys(regulariser for regulariser in regularisers if regulariser is not None))

    def parts(self) -> tuple[Choice, ...]:
        return self.strategies

    def fine_tune_regulariser(self, variant: str) -> "Regulariser | None":
        return next(iter(self._regularisers()), None)


def hybrid(defender: "Defender", params: HybridParams) -> HeadOrder:
    from backend.strategies import score

    orders = [score(defender, part) for part in params.strategies]
    if params.fusion == "sequential":
        return sequential(orders, params.share)
    scores = np.stack([_comparable(order, params.fusion) for order in orders])
    if params.fusion == "intersection":
        return ascending(scores.max(axis=0))
    weights = np.array(params.weights or [1.0] * len(orders))
    if params.learned:
        weights = learned_weights(defender, scores, params)
    weights = weights / weights.sum()
    combined = ascending(np.tensordot(weights, scores, axes=1))
    return replace(combined, note=_in_words(params, weights)) if params.learned else combined


def _in_words(params: HybridParams, weights: Float[np.ndarray, "strategy"]) -> str:
    parts = [f"{part} {weight:.2f}" for part, weight in zip(params.strategies, weights, strict=True)]
    return f"Weights learned from clean rows: {', '.join(parts)}."


def _comparable(order: HeadOrder, fusion: str) -> Float[np.ndarray, "layer head"]:
    """One strategy's importances on the scale that the fusion adds up."""
    if fusion == "z-score":
        spread = float(order.scores.std())
        from_mean: Float[np.ndarray, "layer head"] = order.scores - order.scores.mean()
        return from_mean / (spread if spread > 0 else 1.0)
    if fusion == "borda":
        goes_before = np.full(order.scores.shape, float(len(order.order)))
        for before, head in enumerate(order.order):
            goes_before[head] = before
        return goes_before / order.scores.size
    return rank_normalised(order.scores)


def sequential(orders: list[HeadOrder], share: float) -> HeadOrder:
    """Each strategy orders the heads that the one before it chose, and chooses the first `share` of all
    that may go by then; the importance of a head is its rank in the resulting order."""
    chosen = orders[0].order
    for turn, order in enumerate(orders[1:], start=1):
        keep = max(1, round(orders[0].scores.size * share**turn))
        allowed = set(chosen[:keep])
        chosen = [head for head in order.order if head in allowed]
    scores = np.full(orders[0].scores.shape, float(len(chosen)))
    for rank, head in enumerate(chosen):
        scores[head] = rank
    return HeadOrder(scores, chosen)


def learned_weights(
    defender: "Defender", scores: Scores, params: HybridParams
) -> Float[np.ndarray, "strategy"]:
    """How much each strategy's importances explain of the accuracy that random sets of heads cost; equal
    weights if none explains anything.  Raises UserError if the model has too few heads to draw sets."""
    from scipy.optimize import nnls

    layers, heads = defender.shape
    if layers * heads < 2:
        raise UserError("Weights cannot be learned on a model with one head. Give them.")
    rng = np.random.default_rng(defender.seed)
    full_accuracy = defender.accuracy(np.zeros(defender.shape, dtype=bool), params.rows)
    losses, importance = [], []
    for done in range(params.sets):
        pruned = rng.random(defender.shape) < rng.uniform(0.1, 0.5)
        pruned[np.arange(layers), rng.integers(heads, size=layers)] = False  # no layer loses all its heads
        losses.append(full_accuracy - defender.accuracy(pruned, params.rows))
        importance.append((scores * pruned).sum(axis=(1, 2)))
        defender.tick(done + 1, params.sets)
    weights, _ = nnls(np.array(importance) - np.mean(importance, axis=0), np.array(losses) - np.mean(losses))
    return weights if weights.sum() > 0 else np.ones(len(scores))


COMPONENT = Strategy(
    name="hybrid",
    title="Hybrid",
    summary="Combines the importances of several strategies by a fusion rule of your choice.",
    params=HybridParams,
    function=hybrid,
    can_be_combined=False,
)
