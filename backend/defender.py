"""All that a defender has: the model and clean data.  Strategies see this and nothing else.

Its measurements are numpy arrays over the head grid, so a strategy is a page of numpy, and no
trigger, poisoned row or LFR is within its reach."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch.nn import functional
from transformers import PreTrainedModel

from backend.device import probe
from backend.encoding import Encoded, Tick, no_tick, to_device
from backend.evaluation import accuracy, autocast
from backend.heads.gating import HeadGrid, cls_rows
from backend.heads.statistics import stacked

GRADIENT_BATCH = 32
"""Rows per gradient batch: part of the score's definition, not a matter of speed."""


@dataclass
class Defender:
    """`threshold` is the guardrail τ as an absolute validation accuracy; `prune_step` its s.

    `tick` hears of progress, `check` of every batch of an evaluation; both may raise to stop."""

    model: PreTrainedModel
    train: Encoded
    validation: Encoded
    threshold: float
    prune_step: int
    seed: int
    tick: Tick = no_tick
    check: Tick = no_tick
    grid: HeadGrid = field(init=False)

    def __post_init__(self) -> None:
        self.grid = HeadGrid(self.model)

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, heads)."""
        return self.grid.shape

    def accuracy(self, pruned: Bool[np.ndarray, "layer head"], rows: int | None = None) -> float:
        """Clean validation accuracy with `pruned` gated, on all validation rows or a fixed, seeded
        sample of `rows` of them."""
        sample = self.validation if rows is None else self.validation.sample(rows, self.seed)
        with self.grid.gated(pruned):
            return accuracy(self.model, sample, self.check)

    def key_gradient_norms(self) -> Float[np.ndarray, "layer head"]:
        """Σ over batches of 32 training rows in data-set order of the ℓ2 norm of the gradient of the
        batch's mean loss with respect to each head's rows of the key projection, in evaluation
        mode (arXiv 2508.20032, section 3)."""
        device = probe().torch_device
        self.model.eval()
        weights = [site.key.weight for site in self.grid.sites]
        total = torch.zeros(self.shape, dtype=torch.float64)
        batches = list(self.train.batches_in_order(GRADIENT_BATCH))
        for done, indices in enumerate(batches, start=1):
            labels = torch.tensor([self.train.labels[i] for i in indices], device=device)
            with autocast():
                out = self.model(**to_device(self.train.batch(indices), device)).logits
            # Only the key projections' gradients are asked for, so no other weight gradient is made.
            gradients = torch.autograd.grad(functional.cross_entropy(out.float(), labels), weights)
            total += torch.stack([self._head_norms(gradient) for gradient in gradients]).cpu()
            self.tick(done, len(batches))
        return total.numpy()

    def _head_norms(self, gradient: Float[torch.Tensor, "width hidden"]) -> Float[torch.Tensor, "head"]:
        return gradient.double().unflatten(0, (self.grid.heads, -1)).flatten(1).norm(dim=1)

    def cls_variance(self) -> Float[np.ndarray, "layer head"]:
        """Mean statistic of each head over the validation rows (see `heads.statistics`)."""
        self.model.eval()
        return self._statistic(self.tick).mean(axis=0)

    def cls_variance_passes(self, passes: int) -> Float[np.ndarray, "pass row layer head"]:
        """The statistic of every validation row and head in `passes` stochastic passes, with all
        dropout active (Monte-Carlo dropout); the statistic is that of the attention probabilities
        after their own dropout."""
        torch.manual_seed(self.seed)
        self.model.train()
        try:
            return np.stack([self._statistic(self._part(number, passes)) for number in range(passes)])
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
            with cls_rows() as rows, autocast():
                self.model(**to_device(self.validation.batch(indices), device.torch_device))
            result[indices] = stacked(rows, self.grid).cpu().numpy()
            tick(done, len(batches))
        return result
