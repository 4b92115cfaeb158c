"""Gate heads through the library's own attention-function registry.

Transformers calls a registered attention function with the module, queries, keys and values and
takes per-head outputs back, the same for every architecture that uses the registry.  So a gate is
a multiplication there: a head whose gate is 0 contributes exactly nothing to its layer's output
projection, and fused attention still works.  Gates are kept per module (not per layer number, which
some architectures lack) as buffers that follow the model to its device and are never saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from backend.heads.architectures import Architecture, architecture_of

ATTENTION = "excise"
_GATE = "excise_gate"


@dataclass(frozen=True)
class HeadSite:
    """The modules of one layer (see `Architecture`); projections are `nn.Linear`."""

    attention: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    output_dropout: nn.Module
    attention_norm: nn.Module
    up: nn.Linear
    down: nn.Linear
    down_dropout: nn.Module
    output_norm: nn.Module


class HeadGrid:
    """The heads of a model as a grid of `layers` × `heads`, and the gates on them.

    Raises UserError if the model's architecture is not supported."""

    def __init__(self, model: PreTrainedModel) -> None:
        architecture = architecture_of({"model_type": model.config.model_type})
        base = model.base_model
        self.model = model
        self.layers: int = getattr(model.config, architecture.layers)
        self.heads: int = getattr(model.config, architecture.heads)
        self.architecture = architecture
        self.sites = [
            HeadSite(*(_module(base, architecture, part.name, layer) for part in fields(HeadSite)))
            for layer in range(self.layers)
        ]
        if model.config._attn_implementation != ATTENTION:
            model.set_attn_implementation(ATTENTION)

    @property
    def shape(self) -> tuple[int, int]:
        return self.layers, self.heads

    def gate(self, pruned: Bool[np.ndarray, "layer head"]) -> None:
        """Gate exactly the heads of `pruned`; all others are active.  Raises ValueError on a wrong shape."""
        if pruned.shape != self.shape:
            raise ValueError(f"got a grid of {pruned.shape}, expected {self.shape} (layers, heads)")
        for site, gated in zip(self.sites, pruned, strict=True):
            gate = None
            if gated.any():
                weight = site.output.weight
                gate = torch.as_tensor(~gated, dtype=weight.dtype, device=weight.device)
            site.attention.register_buffer(_GATE, gate, persistent=False)

    def pruned(self) -> Bool[np.ndarray, "layer head"]:
        """The heads that are gated now."""
        grid = np.zeros(self.shape, dtype=bool)
        for layer, site in enumerate(self.sites):
            gate = getattr(site.attention, _GATE, None)
            if gate is not None:
                grid[layer] = gate.cpu().numpy() == 0
        return grid

    @contextmanager
    def gated(self, pruned: Bool[np.ndarray, "layer head"]) -> Iterator[None]:
        """Gate `pruned` inside a `with` block, then restore the previous gates."""
        before = self.pruned()
        self.gate(pruned)
        try:
            yield
        finally:
            self.gate(before)


def _module(base: nn.Module, architecture: Architecture, part: str, layer: int) -> Any:
    """One part of a layer; an architecture that lacks it passes values on as they are."""
    path: str | None = getattr(architecture, part)
    return nn.Identity() if path is None else base.get_submodule(path.format(layer))


def _attention(
    module: nn.Module,
    query: Float[Tensor, "batch head query width"],
    key: Float[Tensor, "batch head key width"],
    value: Float[Tensor, "batch head key width"],
    attention_mask: Bool[Tensor, "batch 1 query key"] | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    output_attentions: bool = False,
    **kwargs: object,
) -> tuple[Float[Tensor, "batch query head width"], Float[Tensor, "batch head query key"] | None]:
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    weights = None
    if output_attentions:
        scores = query @ key.transpose(2, 3) * scaling
        if attention_mask is not None:
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = functional.dropout(scores.softmax(-1), dropout)
        output = (weights @ value).transpose(1, 2)
    else:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    gate = getattr(module, _GATE, None)
    if gate is not None:
        output = output * gate.to(output.dtype)[:, None]
    return output.contiguous(), weights


AttentionInterface.register(ATTENTION, _attention)
# Without a mask function of the same name the padding mask would silently be None.
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
