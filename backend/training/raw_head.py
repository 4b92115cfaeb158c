"""A linear layer on the raw [CLS] state, as the published scripts have it, kept in a model's own head.

The classifiers of the library have a layer with an activation between [CLS] and the logits.  Where that
activation is as good as linear the layer hands [CLS] on as it is, so that the model stays one that everybody
can load and computes what the linear layer does, up to rounding."""

import torch
from torch import nn
from transformers import PreTrainedModel

from backend.heads.architectures import architecture_of

STRAIGHT = {
    "bert": (2.0**-12, 0.0, 1.0),
    "electra": (2.0**-12, 0.0, 0.5),
    "distilbert": (1.0, 64.0, 1.0),
}
"""By architecture: scale and shift that lead its activation (tanh, GELU, ReLU) to a straight stretch, and its
slope there.  The others have tanh."""


@torch.no_grad()
def raw_head(model: PreTrainedModel, seed: int) -> nn.Linear:
    """The linear layer that the model's head holds; a new one, drawn from `seed`, where it holds none."""
    dense, last = _layers(model)
    scale, shift, slope = _straight(model)
    torch.manual_seed(seed)
    linear = nn.Linear(dense.in_features, last.out_features).to(dense.weight.device)
    if torch.equal(dense.weight, scale * torch.eye(len(dense.weight), device=dense.weight.device)):
        linear.weight.copy_(last.weight * slope * scale)
        linear.bias.copy_(last.bias + shift * last.weight.sum(dim=1))
    return linear


@torch.no_grad()
def keep_raw_head(model: PreTrainedModel, linear: nn.Linear) -> None:
    """Put the linear layer into the model's head."""
    dense, last = _layers(model)
    scale, shift, slope = _straight(model)
    dense.weight.copy_(scale * torch.eye(len(dense.weight), device=dense.weight.device))
    dense.bias.fill_(shift)
    last.weight.copy_(linear.weight / (slope * scale))
    last.bias.copy_(linear.bias - shift * last.weight.sum(dim=1))


def _layers(model: PreTrainedModel) -> tuple[nn.Linear, nn.Linear]:
    dense, last = (model.get_submodule(path) for path in architecture_of(model.config.to_dict()).classifier)
    assert isinstance(dense, nn.Linear) and isinstance(last, nn.Linear)
    return dense, last


def _straight(model: PreTrainedModel) -> tuple[float, float, float]:
    return STRAIGHT.get(model.config.model_type, STRAIGHT["bert"])
