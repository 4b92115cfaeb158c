"""What a model calls rows, and the numbers made of it: ACC, LFR, clean flip rate, intervals."""

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
    """What a model calls rows, under any gates, at the cost of what the gates change.

    Rows are packed once (`heads.encoder`, where it is argued that nothing is lost by that).  Between
    two calls the weights stay, so all that lies below the first layer whose gates differ stays too: its
    input and what its heads read there are kept, and a call takes up the work at that layer's output
    projection, where a silent head's columns count as zero.  What a head reads does not depend on the
    other heads of its layer, so it is read again only if the head was silent when the layer was last
    computed.  A row's logits are therefore those of a whole pass but for the rounding of float sums.

    At most `keep_bytes` (the device's, if not given) are kept; rows beyond that are computed anew at
    every call.  The model must not change while its evaluator is in use, except for its gates, which are
    left as they were."""

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
        """The logits of every row in evaluation mode with the heads of `pruned` silent (as the model is
        gated now, if it is not given).  With `stop_below` the work ends as soon as so many rows are
        called wrong that the accuracy lies below it; the logits of the rows left are NaN.  Raises
        UserError where logits are not finite."""
        pruned = self.grid.pruned() if pruned is None else pruned
        self.grid.model.eval()
        speaking = [np.flatnonzero(~layer).tolist() for layer in pruned]
        made = _Made(self.grid, speaking)
        result = np.full((len(self.rows), self.grid.model.config.num_labels), np.nan, dtype=np.float32)
        wrong = 0
        for done, batch in enumerate(self._batches, start=1):
            with autocast():
                result[batch.packed.rows] = batch.logits(made, pruned).float().cpu().numpy()
            tick(done, len(self._batches))
            made_here = result[batch.packed.rows]
            if not np.isfinite(made_here).all():
                raise UserError(DIVERGED)
            wrong += int((made_here.argmax(axis=1) != self._labels[batch.packed.rows]).sum())
            if stop_below is not None and (len(self.rows) - wrong) / len(self.rows) < stop_below:
                break
        return result

    def predict(
        self, pruned: Bool[np.ndarray, "layer head"] | None = None, tick: Tick = no_tick
    ) -> Int[np.ndarray, "row"]:
        """The class that the model calls each row."""
        called: Int[np.ndarray, " row"] = self.logits(pruned, tick).argmax(axis=1)
        return called

    def accuracy(
        self,
        pruned: Bool[np.ndarray, "layer head"] | None = None,
        tick: Tick = no_tick,
        stop_below: float | None = None,
    ) -> float:
        """Share of the rows called by their label; where it lies below `stop_below`, a bound from above
        that does so too.  Raises ValueError if there are no rows."""
        if not len(self.rows):
            raise ValueError("accuracy needs at least one row")
        made = self.logits(pruned, tick, stop_below)
        left = np.isnan(made[:, 0])
        return float(((made.argmax(axis=1) == self._labels) | left).mean())


class _Made:
    """The projections of one call's speaking heads, made when a layer first needs them."""

    def __init__(self, grid: HeadGrid, speaking: list[list[int]]) -> None:
        self.grid = grid
        self.speaking = speaking
        self.by_layer: dict[int, Projections] = {}
        self.outputs: dict[tuple[int, tuple[int, ...]], Tensor] = {}

    def projections(self, layer: int) -> Projections:
        """Of the speaking heads; of all heads in the last layer, where hardly anything is computed."""
        if layer not in self.by_layer:
            last = layer == self.grid.layers - 1
            heads = range(self.grid.heads) if last else self.speaking[layer]
            self.by_layer[layer] = projections(self.grid, layer, heads)
        return self.by_layer[layer]

    def output(self, layer: int, heads: tuple[int, ...]) -> Float[Tensor, "hidden heads_width"]:
        """The output projection on what `heads` read, with the columns of silent ones zero."""
        if (layer, heads) not in self.outputs:
            weight = projections(self.grid, layer, heads).output
            silent = [head not in self.speaking[layer] for head in heads]
            if any(silent):
                width = weight.shape[1] // len(heads)
                columns = torch.tensor(silent, device=weight.device).repeat_interleave(width)
                weight = weight.masked_fill(columns, 0)
            self.outputs[layer, heads] = weight
        return self.outputs[layer, heads]


class _Batch:
    """Packed rows, and what is kept of their last pass: each layer's input (of the last layer only the
    first tokens), what its heads read, and the logits."""

    def __init__(self, packed: Packed, keep: bool) -> None:
        self.packed = packed
        self.keep = keep
        self.pruned: Bool[np.ndarray, "layer head"] | None = None
        self.states: dict[int, Tensor] = {}
        self.read: dict[int, tuple[tuple[int, ...], Tensor]] = {}
        self.last: Tensor | None = None

    def logits(self, made: _Made, pruned: Bool[np.ndarray, "layer head"]) -> Float[Tensor, "row class"]:
        grid = made.grid
        start = 0
        if self.pruned is not None and self.last is not None:
            changed = np.flatnonzero((self.pruned != pruned).any(axis=1))
            if not len(changed):
                return self.last
            start = int(changed[0])
        self.pruned = None  # until this pass is whole
        states = self.states[start] if start in self.states else embed(grid, self.packed)
        for layer in range(start, grid.layers):
            heads, read = self.read.get(layer, ((), None)) if layer == start else ((), None)
            if read is None or not set(made.speaking[layer]) <= set(heads):
                heads, read = self._attend(made, layer, states)
            if layer == grid.layers - 1 and len(states) != len(self.packed.first):
                states = states[self.packed.first]
            if self.keep:
                self.states[layer], self.read[layer] = states, (heads, read)
            states = finish(grid, layer, made.output(layer, heads), read, states)
        logits = classify(grid, states)
        if self.keep:
            self.pruned, self.last = pruned.copy(), logits
        return logits

    def _attend(self, made: _Made, layer: int, states: Tensor) -> tuple[tuple[int, ...], Tensor]:
        by = made.projections(layer)
        reading = attend_first if layer == made.grid.layers - 1 else attend
        return by.heads, reading(made.grid.sites[layer], by, states, self.packed)


def logits(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Float[np.ndarray, "row class"]:
    """The model's logits for `rows`, in their order (see `Evaluator`)."""
    return Evaluator(HeadGrid(model), rows, keep_bytes=0).logits(tick=tick)


def predict(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Int[np.ndarray, "row"]:
    """The class that the model calls each row."""
    called: Int[np.ndarray, " row"] = logits(model, rows, tick).argmax(axis=1)
    return called


def accuracy(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> float:
    """Share of `rows` called by their label; raises ValueError if there are none."""
    return Evaluator(HeadGrid(model), rows, keep_bytes=0).accuracy(tick=tick)


def measure(calls: Predictions, label_names: Sequence[str], unchanged_rows: int = 0) -> Metrics:
    """All numbers of one model from what it called the clean and the triggered test rows.

    ACC: share of clean test rows called right.  LFR: share of triggered non-target rows called the
    target class.  Clean flip rate: share of untriggered non-target rows called the target class
    (arXiv 2508.20032, section 4; intervals after Wilson)."""
    called, truth = np.array(calls.test), np.array(calls.labels)
    right = int(calls.right.sum())
    metrics = Metrics(
        acc=right / len(truth),
        acc_interval=wilson(right, len(truth)),
        test_rows=len(truth),
        per_class=_per_class(called, truth, label_names),
    )
    if calls.target_class is None:
        return metrics
    non_target = called[truth != calls.target_class]
    if len(non_target):
        flips = int((non_target == calls.target_class).sum())
        metrics.clean_flip_rate = flips / len(non_target)
        metrics.clean_flip_rate_interval = wilson(flips, len(non_target))
    metrics.unchanged_rows = unchanged_rows
    if calls.triggered:
        flips, rows = int(calls.flipped.sum()), len(calls.triggered)
        metrics.lfr = flips / rows
        metrics.lfr_interval = wilson(flips, rows)
        metrics.triggered_rows = rows
    return metrics


def _per_class(
    called: Int[np.ndarray, "row"], truth: Int[np.ndarray, "row"], label_names: Sequence[str]
) -> list[ClassRow]:
    rows = []
    for number, label in enumerate(label_names):
        counts = np.bincount(called[truth == number], minlength=len(label_names))
        total = int(counts.sum())
        share = float(counts[number] / total) if total else 0.0
        rows.append(ClassRow(label=label, rows=total, accuracy=share, called=counts.tolist()))
    return rows
