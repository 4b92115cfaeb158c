"""A defender whose measurements are given, so that a strategy's arithmetic can be checked by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.base.progress import no_tick
from backend.pruning.defender import Defender


def unharmed(pruned: np.ndarray, rows: int | None = None, stop_below: float | None = None) -> float:
    return 1.0


@dataclass
class Given:
    """No model and no rows: what `Defender` would measure on them is told."""

    variance: np.ndarray
    gradient: np.ndarray
    accuracy: Callable[..., float] = unharmed
    threshold: float = 0.5
    prune_step: int = 2
    seed: int = 5

    steps = Defender.steps
    tick = staticmethod(no_tick)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variance.shape

    def cls_variance(self) -> np.ndarray:
        return self.variance

    def key_gradient_norms(self) -> np.ndarray:
        return self.gradient


def given(shape: tuple[int, int] = (3, 4), **changes: object) -> Given:
    """Scores of which no two are alike, in no order that the grid has."""
    places = [np.random.default_rng(seed).permutation(shape[0] * shape[1]) for seed in (1, 2)]
    variance, gradient = (place.reshape(shape).astype(float) for place in places)
    return Given(**({"variance": variance, "gradient": gradient} | changes))
