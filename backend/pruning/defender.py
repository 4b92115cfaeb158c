"""All that a defender has: the model and clean data.  Strategies see nothing else.

Its measurements are numpy arrays over the head grid, so a strategy is a page of numpy, and cannot
reach any trigger, poisoned row or LFR."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.nn import functional
from transformers import PreTrainedModel

from backend.base.device import autocast, probe
from backend.base.progress import Tick, no_tick
from backend.data.tokens import Encoded
from backend.evaluation.evaluator import Evaluator
from backend.heads.grid import HeadGrid
from backend.heads.order import HeadOrder
from backend.heads.packed_forward import pack, run
from backend.heads.statistics import cls_variance
from backend.pruning.guardrail import Step, prune
from backend.training.inputs import Inputs

GRADIENT_BATCH = 32
"""Rows per gradient batch: part of the score's definition, not chosen for speed."""


@dataclass
class Defender:
    """`threshold` is the guardrail τ as an absolute validation accuracy; `prune_step` its s; `balanced`
    whether it watches balanced accuracy.

    `tick` is called with progress, `check` after every batch of an evaluation; both may raise to stop."""

    model: PreTrainedModel
    train: Encoded
    validation: Encoded
    threshold: float
    prune_step: int
    seed: int
    tick: Tick = no_tick
    check: Tick = no_tick
    balanced: bool = False
    grid: HeadGrid = field(init=False)
    _evaluators: dict[int | None, Evaluator] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.grid = HeadGrid(self.model)

    @classmethod
    def over(
        cls,
        inputs: Inputs,
        model: PreTrainedModel,
        rows: int | None = None,
        threshold: float = 0.0,
        prune_step: int = 1,
        balanced: bool = False,
    ) -> "Defender":
        """A defender of `model` with the clean rows of `inputs`."""
        return cls(
            model=model,
            train=inputs.some(rows),
            validation=inputs.validation,
            threshold=threshold,
            prune_step=prune_step,
            seed=inputs.seed,
            tick=inputs.report.check,
            check=inputs.report.check,
            balanced=balanced,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, heads)."""
        return self.grid.shape

    def accuracy(
        self,
        pruned: Bool[np.ndarray, "layer head"],
        rows: int | None = None,
        stop_below: float | None = None,
    ) -> float:
        """Clean validation accuracy with `pruned` gated, on all validation rows or a fixed, seeded
        sample of `rows` of them; if it lies below `stop_below`, an upper bound that does so too (no bound
        where accuracy is `balanced`)."""
        if rows not in self._evaluators:
            sample = self.validation if rows is None else self.validation.sample(rows, self.seed)
            self._evaluators[rows] = Evaluator(self.grid, sample)
        if self.balanced:
            return self._evaluators[rows].balanced_accuracy(pruned, self.check)
        return self._evaluators[rows].accuracy(pruned, self.check, stop_below)

    def steps(self, order: HeadOrder) -> Iterator[Step]:
        """The search along `order`, step by step under its guardrail."""
        return prune(
            order.order,
            self.shape,
            self.accuracy,
            self.threshold,
            self.prune_step,
            order.guardrail,
            decide=partial(self.accuracy, stop_below=self.threshold),
            step_sizes=order.step_sizes,
        )

    def key_gradient_norms(self) -> Float[np.ndarray, "layer head"]:
        """Σ over batches of 32 training rows in data-set order of the ℓ2 norm of the gradient of the
        batch's mean loss with respect to each head's rows of the key projection, in evaluation
        mode (arXiv 2508.20032, section 3)."""
        self.model.eval()
        total = torch.zeros(self.shape, dtype=torch.float64)
        for gradients in self._key_gradients():
            total += torch.stack([self._head_norms(gradient) for gradient in gradients]).cpu()
        return total.numpy()

    def layer_key_gradient_norms(self) -> Float[np.ndarray, "layer"]:
        """Σ over the same batches of the ℓ2 norm of the gradient with respect to each layer's whole key
        projection, with dropout active: the published script's score for every head of the layer."""
        torch.manual_seed(self.seed)
        self.model.train()
        total = torch.zeros(self.shape[0], dtype=torch.float64)
        try:
            for gradients in self._key_gradients():
                total += torch.stack([gradient.norm() for gradient in gradients]).cpu()
        finally:
            self.model.eval()
        return total.numpy()

    def _key_gradients(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """One gradient per layer for each training batch, in the model's current mode."""
        device = probe().torch_device
        weights = [site.key.weight for site in self.grid.sites]
        batches = list(self.train.batches_in_order(GRADIENT_BATCH))
        for done, indices in enumerate(batches, start=1):
            packed = pack(self.train, indices, device)
            labels = torch.tensor([self.train.labels[i] for i in packed.rows], device=device)
            with autocast():
                logits = run(self.grid, packed).classes
            # Only the key projections' gradients are requested, so no other weight gradient is computed.
            yield torch.autograd.grad(functional.cross_entropy(logits.float(), labels), weights)
            self.tick(done, len(batches))

    def _head_norms(self, gradient: Float[torch.Tensor, "width hidden"]) -> Float[torch.Tensor, "head"]:
        by_head = gradient.double().unflatten(0, (self.grid.heads, -1)).flatten(1)
        norms: Float[torch.Tensor, " head"] = by_head.norm(dim=1)
        return norms

    def cls_variance(self) -> Float[np.ndarray, "layer head"]:
        """Mean statistic of each head over the validation rows (see `heads.statistics`)."""
        self.model.eval()
        means: Float[np.ndarray, "layer head"] = self._statistic(self.tick).mean(axis=0)
        return means

    def cls_variance_passes(self, passes: int) -> Iterator[Float[np.ndarray, "row layer head"]]:
        """The statistic of every validation row and head in each of `passes` stochastic passes, with all
        dropout active (Monte-Carlo dropout); the statistic is that of the attention probabilities
        after their own dropout."""
        torch.manual_seed(self.seed)
        self.model.train()
        try:
            for number in range(passes):
                yield self._statistic(self._part(number, passes))
        finally:
            self.model.eval()

    def _part(self, number: int, parts: int) -> Tick:
        """A tick for the `number`-th of `parts` pieces of work of the same size."""
        return lambda done, total: self.tick(number * total + done, parts * total)

    @torch.no_grad()
    def _statistic(self, tick: Tick) -> Float[np.ndarray, "row layer head"]:
        device = probe()
        batches = list(self.validation.batches_by_length(device.batch_tokens))
        result = np.zeros((len(self.validation), *self.shape))
        for done, indices in enumerate(batches, start=1):
            packed = pack(self.validation, indices, device.torch_device)
            with autocast():
                rows = run(self.grid, packed, cls_rows=True, classified=False).cls_rows
            result[packed.rows] = torch.stack([cls_variance(row) for row in rows], dim=1).cpu().numpy()
            tick(done, len(batches))
        return result
