"""Gate heads, and read their [CLS] rows, through the library's own attention-function registry.

Transformers calls a registered attention function with the module, queries, keys and values and
takes per-head outputs back, the same for every architecture that uses the registry.  So a gate is
a multiplication there: a head whose gate is 0 adds exactly nothing to its layer's output
projection, and fused attention is kept.  Gates are kept per module (not per layer number, which
some architectures lack) as buffers that follow the model to its device and are never saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from backend.heads.architectures import architecture_of

ATTENTION = "excise"
_GATE = "excise_gate"

ClsRows = dict[nn.Module, Float[Tensor, "batch head key"]]
_cls_rows: ContextVar[ClsRows | None] = ContextVar("cls_rows", default=None)


@dataclass(frozen=True)
class HeadSite:
    """The modules of one layer's attention; projections are `nn.Linear`."""

    attention: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear


class HeadGrid:
    """The heads of a model as a grid of `layers` × `heads`, and the gates on them.

    Raises UserError if the model's architecture is not supported."""

    def __init__(self, model: PreTrainedModel) -> None:
        where = architecture_of({"model_type": model.config.model_type})
        base = model.base_model
        self.model = model
        self.layers: int = getattr(model.config, where.layers)
        self.heads: int = getattr(model.config, where.heads)
        self.sites = [
            HeadSite(
                *(
                    base.get_submodule(path.format(layer))
                    for path in (where.attention, where.query, where.key, where.value, where.output)
                )
            )
            for layer in range(self.layers)
        ]
        if model.config._attn_implementation != ATTENTION:
            model.set_attn_implementation(ATTENTION)

    @property
    def shape(self) -> tuple[int, int]:
        return self.layers, self.heads

    def gate(self, pruned: Bool[np.ndarray, "layer head"]) -> None:
        """Silence exactly the heads of `pruned`; all others speak.  Raises ValueError on a wrong shape."""
        if pruned.shape != self.shape:
            raise ValueError(f"got a grid of {pruned.shape}, expected {self.shape} (layers, heads)")
        for site, silent in zip(self.sites, pruned, strict=True):
            gate = None
            if silent.any():
                weight = site.output.weight
                gate = torch.as_tensor(~silent, dtype=weight.dtype, device=weight.device)
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
        """Gate `pruned` for the length of a `with` block, then restore the gates there were."""
        before = self.pruned()
        self.gate(pruned)
        try:
            yield
        finally:
            self.gate(before)


@contextmanager
def cls_rows() -> Iterator[ClsRows]:
    """Collect the [CLS] row of the attention probabilities of every forward pass in the block.

    The dict fills with one tensor (batch, head, key) per attention module and is overwritten by
    the next pass.  Dropout is applied to it while the model trains, as to attention matrices that
    transformers returns; no full attention matrix is made.  Gradients flow through it."""
    rows: ClsRows = {}
    token = _cls_rows.set(rows)
    try:
        yield rows
    finally:
        _cls_rows.reset(token)


def _cls_row(
    query: Float[Tensor, "batch head query width"],
    key: Float[Tensor, "batch head key width"],
    mask: Bool[Tensor, "batch 1 query key"] | None,
    scaling: float,
    dropout: float,
) -> Float[Tensor, "batch head key"]:
    scores = (query[:, :, :1] @ key.transpose(2, 3)).squeeze(2).float() * scaling
    if mask is not None:
        scores = scores.masked_fill(~mask[:, :, 0], float("-inf"))
    return functional.dropout(scores.softmax(-1), dropout)


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
    rows = _cls_rows.get()
    if rows is not None:
        rows[module] = _cls_row(query, key, attention_mask, scaling, dropout)
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
