"""Which tokens' embeddings moved most since the model that this one was fine-tuned from.

A trigger stands in every poisoned row and always means the same, so that training moves its tokens further
than those of any honest word.  An attacker can keep embeddings as they were: the order says where to look,
and is no evidence."""

import numpy as np
import torch
from transformers import PreTrainedModel

UNRELATED = 0.5
"""A relative change of all embeddings beyond which a model does not come from another."""


@torch.no_grad()
def most_moved(model: PreTrainedModel, base: PreTrainedModel) -> list[int]:
    """Token numbers, the most moved first, without those that did not move; none if the embeddings differ in
    shape or are unrelated."""
    own, other = (each.get_input_embeddings().weight.float().cpu() for each in (model, base))
    if own.shape != other.shape or (own - other).norm() > UNRELATED * other.norm():
        return []
    distances = (own - other).norm(dim=1).numpy()
    order = np.argsort(-distances, kind="stable")
    return [int(token) for token in order if distances[token] > 0]
