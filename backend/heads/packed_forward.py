"""A classifier run on packed rows: no padding, no pruned heads, and in the last layer only what [CLS] reads.

The library's modules and weights are used as they are; only the order of computation differs.  The result is
exact: linear maps, norms and the feed-forward pair act on each token separately, so rows can lie end to end;
attention stays within its row, since rows of the same length are attended to together and others apart; a
pruned head adds nothing to its layer's output projection, so its projections are not computed; and the
classifier reads only the last layer's first token, whose output needs the keys and values of all tokens but
no other token's query.  The only difference is rounding, since sums are taken in another order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.activations import ACT2FN

from backend.base.device import cpu_vendor
from backend.data.tokens import Encoded
from backend.heads.grid import HeadGrid, HeadSite

# oneDNN's linear map with an activation, if this build of torch has it and the CPU is not Intel's, for which
# MKL multiplies faster (benchmarks/search_speed.py).
FUSED = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available() and cpu_vendor() != "GenuineIntel"
    else None
)

DRAWS = 1 << 16

ClsRow = Float[Tensor, "row head key"]


@dataclass(frozen=True)
class Packed:
    """Rows end to end, those of the same length next to each other.

    `rows` are their numbers in the data set; `groups` are (number of rows, tokens of each) in order;
    `first` is the position of each row's first token."""

    rows: list[int]
    token_ids: Int[Tensor, "token"]
    token_types: Int[Tensor, "token"]
    positions: Int[Tensor, "token"]
    groups: list[tuple[int, int]]
    first: Int[Tensor, "row"]

    @property
    def sizes(self) -> list[int]:
        """The tokens of each group."""
        return [rows * length for rows, length in self.groups]


def pack(rows: Encoded, indices: Sequence[int], device: torch.device) -> Packed:
    """The rows at `indices` packed, shortest first."""
    features = rows.features
    order = sorted(indices, key=lambda i: len(features[i]["input_ids"]))
    lengths = [len(features[i]["input_ids"]) for i in order]
    ids = [token for i in order for token in features[i]["input_ids"]]
    types = [
        token
        for i in order
        for token in features[i].get("token_type_ids") or [0] * len(features[i]["input_ids"])
    ]
    sizes = torch.tensor(lengths, device=device)
    first = sizes.cumsum(0) - sizes
    return Packed(
        rows=order,
        token_ids=torch.tensor(ids, device=device),
        token_types=torch.tensor(types, device=device),
        positions=torch.arange(len(ids), device=device) - first.repeat_interleave(sizes),
        groups=[(lengths.count(length), length) for length in dict.fromkeys(lengths)],
        first=first,
    )


def embed(grid: HeadGrid, packed: Packed) -> Float[Tensor, "token hidden"]:
    """The input of the first layer."""
    base = grid.model.base_model
    offset = base.embeddings.padding_idx + 1 if grid.architecture.counts_behind_padding else 0
    types = {"token_type_ids": packed.token_types[None]} if grid.architecture.token_types else {}
    embedded: Float[Tensor, "1 token hidden"] = base.embeddings(
        input_ids=packed.token_ids[None], position_ids=packed.positions[None] + offset, **types
    )
    if hasattr(base, "embeddings_project"):  # ELECTRA, where embeddings are narrower than layers
        embedded = base.embeddings_project(embedded)
    return embedded[0]


@dataclass(frozen=True)
class Projection:
    """The linear map that belongs to some heads."""

    weight: Float[Tensor, "heads_width hidden"]
    bias: Float[Tensor, "heads_width"]

    def __call__(self, states: Float[Tensor, "token hidden"]) -> Float[Tensor, "token heads_width"]:
        return _linear(states, self.weight, self.bias)


@dataclass(frozen=True)
class Projections:
    """The weights of one layer's active heads: the projections to queries, keys and values, and `output`,
    which maps their context to hidden states."""

    heads: tuple[int, ...]
    query: Projection
    key: Projection
    value: Projection
    output: Float[Tensor, "hidden heads_width"]


def projections(grid: HeadGrid, layer: int, heads: Sequence[int]) -> Projections:
    """The projections of `heads` alone; the layer's own weights if these are all heads."""
    site = grid.sites[layer]
    linears = (site.query, site.key, site.value)
    if len(heads) == grid.heads:
        query, key, value = (Projection(linear.weight, linear.bias) for linear in linears)
        return Projections(tuple(heads), query, key, value, site.output.weight)
    width = site.output.in_features // grid.heads
    kept = torch.zeros(grid.heads, dtype=torch.bool, device=site.output.weight.device)
    kept[list(heads)] = True
    kept = kept.repeat_interleave(width)
    query, key, value = (Projection(linear.weight[kept], linear.bias[kept]) for linear in linears)
    return Projections(tuple(heads), query, key, value, site.output.weight[:, kept])


QueriesKeysValues = tuple[
    Float[Tensor, "token heads_width"], Float[Tensor, "token heads_width"], Float[Tensor, "token heads_width"]
]


def attend(
    site: HeadSite,
    by: Projections,
    states: Float[Tensor, "token hidden"],
    packed: Packed,
    computed: QueriesKeysValues | None = None,
) -> Float[Tensor, "token heads_width"]:
    """The active heads' context for every token, read from its own row; `computed` are their queries, keys
    and values if the caller has them already."""
    if not by.heads:
        return states[:, :0]
    computed = computed or (by.query(states), by.key(states), by.value(states))
    queries, keys, values = (tensor.split(packed.sizes) for tensor in computed)
    parts = []
    for (rows, length), *group in zip(packed.groups, queries, keys, values, strict=True):
        context = _read(site, *(part.view(rows, length, len(by.heads), -1).transpose(1, 2) for part in group))
        parts.append(context.transpose(1, 2).reshape(rows * length, -1))
    return torch.cat(parts) if len(parts) != 1 else parts[0]


def attend_first(
    site: HeadSite, by: Projections, states: Float[Tensor, "token hidden"], packed: Packed
) -> Float[Tensor, "row heads_width"]:
    """The active heads' context for the first token of each row."""
    if not by.heads:
        return states[packed.first, :0]
    queries = by.query(states[packed.first]).split([rows for rows, _ in packed.groups])
    keys, values = (projection(states).split(packed.sizes) for projection in (by.key, by.value))
    parts = []
    for (rows, length), query, *group in zip(packed.groups, queries, keys, values, strict=True):
        key, value = (part.view(rows, length, len(by.heads), -1).transpose(1, 2) for part in group)
        first_query = query.view(rows, 1, len(by.heads), -1).transpose(1, 2)
        parts.append(_read(site, first_query, key, value).reshape(rows, -1))
    return torch.cat(parts)


def cls_row(
    site: HeadSite,
    heads: int,
    query: Float[Tensor, "row heads_width"],
    key: Float[Tensor, "token heads_width"],
    packed: Packed,
) -> Float[Tensor, "row head key"]:
    """Attention probabilities of each row's first token (its queries, all tokens' keys), after their own
    dropout while the model trains; positions after a row's end are zeros."""
    queries, keys = query.split([rows for rows, _ in packed.groups]), key.split(packed.sizes)
    longest = max(length for _, length in packed.groups)
    parts = []
    for (rows, length), group_query, group_key in zip(packed.groups, queries, keys, strict=True):
        head_queries, head_keys = group_query.view(rows, heads, -1), group_key.view(rows, length, heads, -1)
        scores = torch.einsum("rhw,rlhw->rhl", head_queries, head_keys).float() * head_keys.shape[-1] ** -0.5
        parts.append(functional.pad(scores.softmax(-1), (0, longest - length)))
    return dropout(torch.cat(parts), _share(site))


def _share(site: HeadSite) -> float:
    """The dropout of the layer's attention probabilities, 0 in evaluation mode."""
    return float(site.attention.dropout.p) if site.attention.training else 0.0  # type: ignore[union-attr, arg-type]


def _read(
    site: HeadSite,
    query: Float[Tensor, "row head query width"],
    key: Float[Tensor, "row head key width"],
    value: Float[Tensor, "row head key width"],
) -> Float[Tensor, "row head query width"]:
    """Attention within rows of the same length: fused, except with dropout on a CPU, which no fused kernel
    supports."""
    share = _share(site)
    if share and query.device.type == "cpu":
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        return dropout(scores.softmax(-1), share) @ value
    return functional.scaled_dot_product_attention(query, key, value, dropout_p=share)


def dropout(states: Float[Tensor, "*any"], share: float) -> Float[Tensor, "*any"]:
    """`states` with each number set to zero with probability `share`, the others scaled to keep the mean.

    On a CPU the library draws a random float for each number, which takes longer than a layer norm.
    Here one 64-bit draw of the same generator decides for four, to a probability that is `share` rounded
    to 1/65536 (and the scale is that of the rounded one)."""
    if not share:
        return states
    if states.device.type != "cpu":
        return functional.dropout(states, share)
    dropped = round(share * DRAWS)
    count = states.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = torch.empty(states.shape, dtype=states.dtype)
    torch.ge(drawn.view(torch.int16)[:count].view(states.shape), dropped - DRAWS // 2, out=kept)
    return states * kept.mul_(DRAWS / (DRAWS - dropped) if dropped < DRAWS else 0.0)


def _drop(module: nn.Module, states: Float[Tensor, "token hidden"]) -> Float[Tensor, "token hidden"]:
    """Apply one of the library's dropout modules."""
    return dropout(states, module.p) if isinstance(module, nn.Dropout) and module.training else states


def finish(
    grid: HeadGrid,
    layer: int,
    output: Float[Tensor, "hidden heads_width"],
    context: Float[Tensor, "token heads_width"],
    states: Float[Tensor, "token hidden"],
) -> Float[Tensor, "token hidden"]:
    """The rest of the layer after attention: output projection, residual, feed-forward pair."""
    site = grid.sites[layer]
    attended = _linear(context, output, site.output.bias)
    states = site.attention_norm(_add(_drop(site.output_dropout, attended), states))
    activation = getattr(grid.model.config, grid.architecture.activation)
    forward = _linear(states, site.up.weight, site.up.bias, activation)
    forward = _linear(forward, site.down.weight, site.down.bias)
    normed: Tensor = site.output_norm(_add(_drop(site.down_dropout, forward), states))
    return normed


def _add(
    states: Float[Tensor, "token hidden"], residual: Float[Tensor, "token hidden"]
) -> Float[Tensor, "token hidden"]:
    """The sum, in place in `states` where no gradient needs it and bf16 does not round it."""
    if torch.is_grad_enabled() or states.dtype != residual.dtype:
        return states + residual
    return states.add_(residual)


def _linear(
    states: Float[Tensor, "token inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, "outputs"],
    activation: str = "none",
) -> Float[Tensor, "token outputs"]:
    """A linear map and its activation; without gradients in as few passes over memory as possible."""
    fused = FUSED is not None and _plain_cpu(states) and bool(states.shape[1])
    if torch.is_grad_enabled():
        result = _Linear.apply(states, weight, bias) if fused else functional.linear(states, weight, bias)
        return result if activation == "none" else ACT2FN[activation](result)
    if fused and activation in ("none", "gelu"):
        return _product(states, weight, bias, activation)
    result = functional.linear(states, weight, bias)
    if activation == "gelu":
        torch.ops.aten.gelu_(result)
        return result
    return result if activation == "none" else ACT2FN[activation](result)


class _Linear(torch.autograd.Function):
    """A linear map that computes its product and its gradients with oneDNN."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, weight)
        return _product(states, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        states, weight = ctx.saved_tensors
        by_states, by_weight, by_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if by_states else None,
            _product(gradient.t(), states.t()) if by_weight else None,
            gradient.sum(0) if by_bias else None,
        )


def _product(
    states: Float[Tensor, "token inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, "outputs"] | None = None,
    activation: str = "none",
) -> Float[Tensor, "token outputs"]:
    assert FUSED is not None
    result: Tensor = FUSED(states, weight, bias, activation, [], "none" if activation == "gelu" else "")
    return result


def _plain_cpu(states: Tensor) -> bool:
    """Whether the computation is plain float32 on a CPU."""
    return states.device.type == "cpu" and states.dtype == torch.float32


def classify(grid: HeadGrid, first: Float[Tensor, "row hidden"]) -> Float[Tensor, "row class"]:
    """The classifier on the last layer's first tokens."""
    model, tokens = grid.model, first[:, None]
    kind = model.config.model_type
    if kind == "bert":
        logits: Tensor = model.classifier(model.dropout(model.bert.pooler(tokens)))
    elif kind == "distilbert":
        logits = model.classifier(model.dropout(model.pre_classifier(first).relu()))
    else:
        logits = model.classifier(tokens)
    return logits


@dataclass(frozen=True)
class Pass:
    """One pass over packed rows: each layer's first tokens, and, where asked for, the logits and each
    layer's [CLS] rows (of all heads, pruned ones too)."""

    first: list[Float[Tensor, "row hidden"]]
    logits: Float[Tensor, "row class"] | None
    cls_rows: list[ClsRow]

    @property
    def classes(self) -> Float[Tensor, "row class"]:
        """The logits of a pass that classified."""
        assert self.logits is not None
        return self.logits


def run(grid: HeadGrid, packed: Packed, *, cls_rows: bool = False, classified: bool = True) -> Pass:
    """A pass with the grid's gates, in whatever mode (dropout, gradients) the model is in.

    Without classification the last layer ends at its [CLS] rows."""
    states = embed(grid, packed)
    pruned = grid.pruned()
    first, rows = [], []
    for layer, site in enumerate(grid.sites):
        last = layer == grid.layers - 1
        by = projections(grid, layer, np.flatnonzero(~pruned[layer]).tolist())
        computed = None
        if cls_rows and len(by.heads) == grid.heads and not last:
            computed = by.query(states), by.key(states), by.value(states)
            rows.append(cls_row(site, grid.heads, computed[0][packed.first], computed[1], packed))
        elif cls_rows:
            all_heads = projections(grid, layer, range(grid.heads))
            queries = all_heads.query(states[packed.first])
            rows.append(cls_row(site, grid.heads, queries, all_heads.key(states), packed))
        if last and not classified:
            break
        if last:
            context, residual = attend_first(site, by, states, packed), states[packed.first]
        else:
            context, residual = attend(site, by, states, packed, computed), states
        states = finish(grid, layer, by.output, context, residual)
        first.append(states if last else states[packed.first])
    return Pass(first, classify(grid, states) if classified else None, rows)
