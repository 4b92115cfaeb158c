"""Which tokens' embeddings moved most since the model that this one was fine-tuned from.

A trigger stands in every poisoned row and always means the same, so that training moves its tokens further
than those of any honest word, and further than they move in a clean model of the same task.  An attacker can
keep embeddings as they were: the order says where to look, and is no evidence."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel

UNRELATED = 0.5
"""A relative change of all embeddings beyond which a model does not come from another."""
BEYOND = 2.0
"""How many times as far as in a clean model a token must have moved, so that the task does not explain it."""


@dataclass(frozen=True)
class Moved:
    """Token numbers, those first that moved most, without those that did not move; and which of them moved
    much further than in a clean model."""

    order: tuple[int, ...] = ()
    beyond: frozenset[int] = frozenset()


def most_moved(
    model: PreTrainedModel, base: PreTrainedModel, clean_model: PreTrainedModel | None = None
) -> Moved:
    """How the tokens moved from the base model; `clean_model` was made from the same one.  Nothing if the
    embeddings differ in shape or are unrelated."""
    distances = _distances(model, base)
    if distances is None:
        return Moved()
    clean = None if clean_model is None else _distances(clean_model, base)
    clean = np.zeros_like(distances) if clean is None else clean
    both = (distances > 0) & (clean > 0)
    # The two trainings differ in length and rate.
    expected = clean * (np.median(distances[both] / clean[both]) if both.any() else 0)
    order = np.argsort(-distances, kind="stable")[: int((distances > 0).sum())]
    beyond = np.flatnonzero((distances > 0) & (distances >= BEYOND * expected))
    return Moved(tuple(order.tolist()), frozenset(beyond.tolist()))


@torch.no_grad()
def _distances(model: PreTrainedModel, base: PreTrainedModel) -> Float[np.ndarray, "token"] | None:
    own, other = (each.get_input_embeddings().weight.float().cpu() for each in (model, base))
    if own.shape != other.shape or (own - other).norm() > UNRELATED * other.norm():
        return None
    distances: Float[np.ndarray, " token"] = (own - other).norm(dim=1).numpy()
    return distances
