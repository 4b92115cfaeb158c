"""Reinforcement learning: an agent prunes in short episodes and learns what each head is worth.

State: the heads pruned so far in the episode.  Action: a set of s heads that may still go (never a
layer's last); with probability ε a random set, else the s heads of the highest value.  Reward: the
change of clean validation accuracy that the action brings, measured on a sample of rows.  An
episode ends when accuracy on the sample has fallen by more than τ allows on all rows, or after `steps`
actions; ε decays from episode to episode.

Update rule: values are additive, the predicted reward of a set is the sum of its heads' values,
and after each action every head of it moves by `learning_rate` · (reward − prediction) / s (the
normalised least-mean-squares rule, that is gradient descent on the squared error of a linear
value function).  Values start from low variance: −`prior` · the head's rank-normalised variance
statistic, so that before anything is learned heads of low variance look the cheapest.

The learned policy without exploration is the order that the guardrail then follows: highest value
first, that is, importance = −value.
Source: arXiv 2508.20032, section 3, reinforcement-learning-guided pruning.

`published`: ε = 0.1, otherwise lowest variance, and nothing is learned; at most 100 steps of s, of which
the first that falls below τ is kept and is the last.  A layer that a step would empty keeps its head of
highest variance."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from backend.base.components import Strategy
from backend.base.events import Head
from backend.heads.order import HeadOrder, ascending, rank_normalised
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender

Accuracy = Callable[[Bool[np.ndarray, "layer head"]], float]


class ReinforcementParams(StrategyParams):
    episodes: int = Field(
        6, ge=1, le=1000, title="Episodes", description="Each starts again from the unpruned model."
    )
    steps: int = Field(8, ge=1, le=1000, title="Actions per episode", description="At most.")
    epsilon: float = Field(
        0.6, ge=0, le=1, title="Exploration ε", description="Share of random actions at first."
    )
    decay: float = Field(0.7, gt=0, le=1, title="Decay of ε", description="Factor from episode to episode.")
    learning_rate: float = Field(0.5, gt=0, le=1, title="Learning rate", description="Of the heads' values.")
    prior: float = Field(
        0.02,
        ge=0,
        le=1,
        title="Prior",
        description="Accuracy that the head of highest variance is assumed to cost.",
    )
    rows: int = Field(
        256, ge=16, title="Rows per reward", description="Validation rows that a reward is measured on."
    )


PUBLISHED_EPSILON, PUBLISHED_STEPS = 0.1, 100


def reinforcement(defender: "Defender", params: ReinforcementParams, variant: str = "paper") -> HeadOrder:
    if variant == "published":
        return unlearned(defender)
    values = -params.prior * rank_normalised(defender.cls_variance())
    done, total = 0, params.episodes * params.steps

    def accuracy(pruned: Bool[np.ndarray, "layer head"]) -> float:
        nonlocal done
        done += 1
        defender.tick(min(done, total), total)
        return defender.accuracy(pruned, params.rows)

    allowed = defender.accuracy(np.zeros(defender.shape, dtype=bool)) - defender.threshold
    learned = learn(values, accuracy, allowed, defender.prune_step, defender.seed, params)
    return ascending(-learned)


def unlearned(defender: "Defender") -> HeadOrder:
    """Steps of random or of lowest-variance heads: no reward is used before τ ends it.  A layer that a step
    would empty keeps its head of highest variance, which may be drawn again."""
    scores = defender.cls_variance()
    rng = np.random.default_rng(defender.seed)
    waiting = ascending(scores).order
    order: list[Head] = []
    step_sizes = []
    for _ in range(PUBLISHED_STEPS):
        drawn = list(waiting)
        if rng.random() < PUBLISHED_EPSILON:
            rng.shuffle(drawn)
        drawn = drawn[: defender.prune_step]
        emptied = {layer for layer, _ in drawn} - {head[0] for head in waiting if head not in drawn}
        kept = {
            max((head for head in drawn if head[0] == layer), key=scores.__getitem__) for layer in emptied
        }
        pruned = [head for head in drawn if head not in kept]
        waiting = [head for head in waiting if head not in pruned]
        if pruned:
            order += pruned
            step_sizes.append(len(pruned))
    return HeadOrder(scores, order, "stop", step_sizes=step_sizes)


def learn(
    values: Float[np.ndarray, "layer head"],
    accuracy: Accuracy,
    allowed: float,
    prune_step: int,
    seed: int,
    params: ReinforcementParams,
) -> Float[np.ndarray, "layer head"]:
    """The values after all episodes, from the values before (see the module's docstring); an episode goes on
    until more than `allowed` accuracy is lost."""
    values = values.copy()
    rng = np.random.default_rng(seed)
    full_accuracy = accuracy(np.zeros(values.shape, dtype=bool))
    epsilon = params.epsilon
    for _ in range(params.episodes):
        pruned, before = np.zeros(values.shape, dtype=bool), full_accuracy
        for _ in range(params.steps):
            preference = rng.random(values.shape) if rng.random() < epsilon else values
            action = _choose(preference, pruned, prune_step)
            if not action.any():
                break
            pruned |= action
            after = accuracy(pruned)
            error = (after - before) - values[action].sum()
            values[action] += params.learning_rate * error / action.sum()
            before = after
            if full_accuracy - after > allowed:
                break
        epsilon *= params.decay
    return values


def _choose(
    preference: Float[np.ndarray, "layer head"], pruned: Bool[np.ndarray, "layer head"], count: int
) -> Bool[np.ndarray, "layer head"]:
    """The `count` most preferred heads that are not pruned, never a layer's last."""
    action = np.zeros_like(pruned)
    remaining = (~pruned).sum(axis=1)
    for flat in np.argsort(-preference, axis=None, kind="stable"):
        layer, head = np.unravel_index(flat, pruned.shape)
        if not pruned[layer, head] and remaining[layer] > 1:
            action[layer, head] = True
            remaining[layer] -= 1
            if action.sum() == count:
                break
    return action


COMPONENT = Strategy(
    name="reinforcement",
    title="Reinforcement learning",
    summary="An agent prunes in short episodes and learns what each head costs; its order is followed.",
    params=ReinforcementParams,
    function=reinforcement,
    variants=("paper", "published"),
    variant_notes={
        "published": (
            "The authors' script learns nothing: one step in ten is random, the others take the lowest "
            "variance; the step that falls below τ is kept."
        )
    },
)
