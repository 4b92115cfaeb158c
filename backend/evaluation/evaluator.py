"""A model's predictions, and the numbers computed from them: ACC, LFR, clean flip rate, intervals."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from backend.base.device import autocast, probe
from backend.base.errors import DIVERGED, UserError
from backend.base.events import ClassRow, Metrics
from backend.base.intervals import wilson
from backend.base.progress import Tick, no_tick
from backend.data.tokens import Encoded
from backend.evaluation.predictions import Predictions
from backend.heads.grid import HeadGrid
from backend.heads.packed_forward import (
    Packed,
    Projections,
    attend,
    attend_first,
    classify,
    embed,
    finish,
    pack,
    projections,
)

BYTES_PER_NUMBER = 4


class Evaluator:
    """A model's predictions under any gates, computing only what the gates change.

    Rows are packed once (`heads.packed_forward` explains why this is exact).  Between two calls the weights
    stay the same, so everything below the first layer whose gates differ stays the same too: that layer's
    input and its heads' contexts are cached, and a call continues at its output projection, where a pruned
    head's columns count as zero.  A head's context does not depend on the other heads of its layer, so it
    is computed again only if the head was pruned when the layer was last computed.  The logits are
    therefore those of a full pass, except for the rounding of float sums.

    At most `keep_bytes` (the device's, if not given) are cached; rows beyond that are computed anew at
    every call.  The model must not change while its evaluator is in use, except for its gates, which the
    evaluator leaves unchanged."""

    def __init__(self, grid: HeadGrid, rows: Encoded, keep_bytes: int | None = None) -> None:
        rows.check_tokens(grid.model)
        self.grid = grid
        self.rows = rows
        self._labels = np.asarray(rows.labels)
        self.device = probe()
        self._batches = []
        keep_bytes = self.device.keep_bytes if keep_bytes is None else keep_bytes
        hidden = grid.model.config.hidden_size
        for indices in rows.batches_by_length(self.device.batch_tokens):
            packed = pack(rows, indices, self.device.torch_device)
            keep_bytes -= 2 * (grid.layers - 1) * len(packed.token_ids) * hidden * BYTES_PER_NUMBER
            self._batches.append(_Batch(packed, keep=keep_bytes >= 0))

    @torch.inference_mode()
    def logits(
        self,
        pruned: Bool[np.ndarray, "layer head"] | None = None,
        tick: Tick = no_tick,
        stop_below: float | None = None,
    ) -> Float[np.ndarray, "row class"]:
        """The logits of every row in evaluation mode with the heads of `pruned` gated (the model's
        present gates, if it is not given).  With `stop_below` the work ends as soon as so many rows are
        misclassified that the accuracy lies below it; the logits of the remaining rows are NaN.  Raises
        UserError if logits are not finite."""
        pruned = self.grid.pruned() if pruned is None else pruned
        self.grid.model.eval()
        active = [np.flatnonzero(~layer).tolist() for layer in pruned]
        weights = _Weights(self.grid, active)
        result = np.full((len(self.rows), self.grid.model.config.num_labels), np.nan, dtype=np.float32)
        wrong = 0
        for done, batch in enumerate(self._batches, start=1):
            with autocast():
                result[batch.packed.rows] = batch.logits(weights, pruned).float().cpu().numpy()
            tick(done, len(self._batches))
            batch_logits = result[batch.packed.rows]
            if not np.isfinite(batch_logits).all():
                raise UserError(DIVERGED)
            wrong += int((batch_logits.argmax(axis=1) != self._labels[batch.packed.rows]).sum())
            if stop_below is not None and (len(self.rows) - wrong) / len(self.rows) < stop_below:
                break
        return result

    def predict(
        self, pruned: Bool[np.ndarray, "layer head"] | None = None, tick: Tick = no_tick
    ) -> Int[np.ndarray, "row"]:
        """The class that the model predicts for each row."""
        predicted: Int[np.ndarray, " row"] = self.logits(pruned, tick).argmax(axis=1)
        return predicted

    def accuracy(
        self,
        pruned: Bool[np.ndarray, "layer head"] | None = None,
        tick: Tick = no_tick,
        stop_below: float | None = None,
    ) -> float:
        """Share of the rows classified correctly; if it lies below `stop_below`, an upper bound that does so
        too.  Raises ValueError if there are no rows."""
        if not len(self.rows):
            raise ValueError("accuracy needs at least one row")
        logits = self.logits(pruned, tick, stop_below)
        not_evaluated = np.isnan(logits[:, 0])
        return float(((logits.argmax(axis=1) == self._labels) | not_evaluated).mean())

    def balanced_accuracy(
        self, pruned: Bool[np.ndarray, "layer head"] | None = None, tick: Tick = no_tick
    ) -> float:
        """Mean over the classes of the share of their rows classified correctly.  Raises ValueError if there
        are no rows."""
        if not len(self.rows):
            raise ValueError("accuracy needs at least one row")
        return mean_by_class(self.predict(pruned, tick) == self._labels, self._labels)


class _Weights:
    """The projections of one call's active heads, computed when a layer first needs them."""

    def __init__(self, grid: HeadGrid, active: list[list[int]]) -> None:
        self.grid = grid
        self.active = active
        self.by_layer: dict[int, Projections] = {}
        self.outputs: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def projections(self, layer: int) -> Projections:
        """Those of the active heads; of all heads in the last layer, where little is computed."""
        if layer not in self.by_layer:
            last = layer == self.grid.layers - 1
            heads = range(self.grid.heads) if last else self.active[layer]
            self.by_layer[layer] = projections(self.grid, layer, heads)
        return self.by_layer[layer]

    def output(self, layer: int, heads: tuple[int, ...]) -> Float[Tensor, "hidden heads_width"]:
        """The output projection on the contexts of `heads`, with zeros in the columns of pruned ones."""
        if (layer, heads) not in self.outputs:
            weight = projections(self.grid, layer, heads).output
            pruned_heads = [head not in self.active[layer] for head in heads]
            if any(pruned_heads):
                width = weight.shape[1] // len(heads)
                columns = torch.tensor(pruned_heads, device=weight.device).repeat_interleave(width)
                weight = weight.masked_fill(columns, 0)
            self.outputs[layer, heads] = weight
        return self.outputs[layer, heads]


class _Batch:
    """Packed rows, and what is cached of their last pass: each layer's input (in the last layer only the
    first tokens), its heads' contexts, and the logits."""

    def __init__(self, packed: Packed, keep: bool) -> None:
        self.packed = packed
        self.keep = keep
        self.pruned: Bool[np.ndarray, "layer head"] | None = None
        self.states: dict[int, Tensor] = {}
        self.read: dict[int, tuple[tuple[int, ...], Tensor]] = {}
        self.last: Tensor | None = None

    def logits(self, weights: _Weights, pruned: Bool[np.ndarray, "layer head"]) -> Float[Tensor, "row class"]:
        grid = weights.grid
        start = 0
        if self.pruned is not None and self.last is not None:
            changed = np.flatnonzero((self.pruned != pruned).any(axis=1))
            if not len(changed):
                return self.last
            start = int(changed[0])
        self.pruned = None  # until this pass is complete
        states = self.states[start] if start in self.states else embed(grid, self.packed)
        for layer in range(start, grid.layers):
            heads, context = self.read.get(layer, ((), None)) if layer == start else ((), None)
            if context is None or not set(weights.active[layer]) <= set(heads):
                heads, context = self._attend(weights, layer, states)
            if layer == grid.layers - 1 and len(states) != len(self.packed.first):
                states = states[self.packed.first]
            if self.keep:
                self.states[layer], self.read[layer] = states, (heads, context)
            states = finish(grid, layer, weights.output(layer, heads), context, states)
        logits = classify(grid, states)
        if self.keep:
            self.pruned, self.last = pruned.copy(), logits
        return logits

    def _attend(self, weights: _Weights, layer: int, states: Tensor) -> tuple[tuple[int, ...], Tensor]:
        layer_weights = weights.projections(layer)
        attention = attend_first if layer == weights.grid.layers - 1 else attend
        return layer_weights.heads, attention(weights.grid.sites[layer], layer_weights, states, self.packed)


def logits(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Float[np.ndarray, "row class"]:
    """The model's logits for `rows`, in their order (see `Evaluator`)."""
    return Evaluator(HeadGrid(model), rows, keep_bytes=0).logits(tick=tick)


def predict(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Int[np.ndarray, "row"]:
    """The class that the model predicts for each row."""
    predicted: Int[np.ndarray, " row"] = logits(model, rows, tick).argmax(axis=1)
    return predicted


def accuracy(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> float:
    """Share of `rows` classified correctly; raises ValueError if there are none."""
    return Evaluator(HeadGrid(model), rows, keep_bytes=0).accuracy(tick=tick)


def accuracies(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> tuple[float, float]:
    """Accuracy and balanced accuracy on `rows`; raises ValueError if there are none."""
    if not len(rows):
        raise ValueError("accuracy needs at least one row")
    labels = np.asarray(rows.labels)
    correct = predict(model, rows, tick) == labels
    return float(correct.mean()), mean_by_class(correct, labels)


def mean_by_class(correct: Bool[np.ndarray, "row"], labels: Int[np.ndarray, "row"]) -> float:
    """The share of correct rows of each class that has rows, averaged over these classes."""
    return float(np.mean([correct[labels == label].mean() for label in np.unique(labels)]))


def measure(predictions: Predictions, label_names: Sequence[str], unchanged_rows: int = 0) -> Metrics:
    """All numbers of one model from its predictions for the clean and the triggered test rows.

    ACC: share of clean test rows classified correctly.  LFR: share of triggered non-target rows classified
    as the target class.  Clean flip rate: share of untriggered non-target rows classified as the target
    class (arXiv 2508.20032, section 4; Wilson intervals)."""
    predicted, labels = np.array(predictions.test), np.array(predictions.labels)
    correct = int(predictions.correct.sum())
    metrics = Metrics(
        acc=correct / len(labels),
        acc_interval=wilson(correct, len(labels)),
        test_rows=len(labels),
        per_class=_per_class(predicted, labels, label_names),
    )
    if predictions.target_class is None:
        return metrics
    non_target = predicted[labels != predictions.target_class]
    if len(non_target):
        flips = int((non_target == predictions.target_class).sum())
        metrics.clean_flip_rate = flips / len(non_target)
        metrics.clean_flip_rate_interval = wilson(flips, len(non_target))
    metrics.unchanged_rows = unchanged_rows
    if predictions.triggered:
        flips, rows = int(predictions.flipped.sum()), len(predictions.triggered)
        metrics.lfr = flips / rows
        metrics.lfr_interval = wilson(flips, rows)
        metrics.triggered_rows = rows
    return metrics


def _per_class(
    predicted: Int[np.ndarray, "row"], labels: Int[np.ndarray, "row"], label_names: Sequence[str]
) -> list[ClassRow]:
    rows = []
    for number, label in enumerate(label_names):
        counts = np.bincount(predicted[labels == number], minlength=len(label_names))
        total = int(counts.sum())
        share = float(counts[number] / total) if total else 0.0
        rows.append(ClassRow(label=label, rows=total, accuracy=share, called=counts.tolist()))
    return rows
