"""What a model calls rows, and the numbers made of it: ACC, LFR, clean flip rate, intervals."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import binomtest
from transformers import PreTrainedModel

from backend.device import probe
from backend.encoding import Encoded, Tick, no_tick, to_device
from backend.errors import UserError
from backend.events import ClassRow, Interval, Metrics


def autocast() -> AbstractContextManager[None]:
    """bf16 where the device computes it natively, else nothing."""
    device = probe()
    return torch.autocast(device.torch_device.type, torch.bfloat16, enabled=device.bf16)


@torch.inference_mode()
def logits(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Float[np.ndarray, "row class"]:
    """The model's logits for `rows`, in their order, in evaluation mode.

    Rows are batched with others of like length under a token budget.  Padding is masked, so a
    row's logits do not depend on its batch beyond float rounding.  Raises UserError where they are
    not finite."""
    device = probe()
    model.eval()
    batches = list(rows.batches_by_length(device.batch_tokens))
    result = np.zeros((len(rows), model.config.num_labels), dtype=np.float32)
    for done, indices in enumerate(batches, start=1):
        with autocast():
            out = model(**to_device(rows.batch(indices), device.torch_device)).logits
        result[indices] = out.float().cpu().numpy()
        tick(done, len(batches))
    if not np.isfinite(result).all():
        raise UserError(
            "The model's outputs are not finite numbers: its training has diverged. "
            "Lower the learning rate or the regulariser weight."
        )
    return result


def predict(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> Int[np.ndarray, "row"]:
    """The class that the model calls each row."""
    return logits(model, rows, tick).argmax(axis=1)


def accuracy(model: PreTrainedModel, rows: Encoded, tick: Tick = no_tick) -> float:
    """Share of `rows` called by their label; raises ValueError if there are none."""
    if not len(rows):
        raise ValueError("accuracy needs at least one row")
    return float((predict(model, rows, tick) == np.asarray(rows.labels)).mean())


def wilson(successes: int, rows: int) -> Interval:
    """Wilson's 95 % interval of a share."""
    interval = binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def measure(
    called: Int[np.ndarray, "row"],
    labels: Sequence[int],
    label_names: Sequence[str],
    target_class: int | None = None,
    triggered_called: Int[np.ndarray, "triggered"] | None = None,
    unchanged_rows: int = 0,
) -> Metrics:
    """All numbers of one model from what it called the clean and the triggered test rows.

    ACC: share of clean test rows called right.  LFR: share of triggered non-target rows called the
    target class.  Clean flip rate: share of untriggered non-target rows called the target class
    (arXiv 2508.20032, section 4; intervals after Wilson)."""
    truth = np.asarray(labels)
    right = int((called == truth).sum())
    metrics = Metrics(
        acc=right / len(truth),
        acc_interval=wilson(right, len(truth)),
        test_rows=len(truth),
        per_class=_per_class(called, truth, label_names),
    )
    if target_class is None:
        return metrics
    non_target = called[truth != target_class]
    if len(non_target):
        flips = int((non_target == target_class).sum())
        metrics.clean_flip_rate = flips / len(non_target)
        metrics.clean_flip_rate_interval = wilson(flips, len(non_target))
    metrics.unchanged_rows = unchanged_rows
    if triggered_called is not None and len(triggered_called):
        flips = int((triggered_called == target_class).sum())
        metrics.lfr = flips / len(triggered_called)
        metrics.lfr_interval = wilson(flips, len(triggered_called))
        metrics.triggered_rows = len(triggered_called)
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
