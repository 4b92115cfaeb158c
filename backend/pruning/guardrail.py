"""The guardrail: order → prune → evaluate → commit or backtrack (arXiv 2508.20032, section 3)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from backend.base.events import Guardrail, Head

Accuracy = Callable[[Bool[np.ndarray, "layer head"]], float]
GIVING_BACK: tuple[Guardrail, ...] = ("backtrack", "give back", "go on")


@dataclass(frozen=True)
class Step:
    """One step: heads tried, those of them restored, and clean validation accuracy before and after."""

    number: int
    tried: list[Head]
    restored: list[Head]
    pruned: Bool[np.ndarray, "layer head"]
    tried_val_acc: float
    val_acc: float

    @property
    def kept(self) -> list[Head]:
        """The heads of this step that stay pruned."""
        return [head for head in self.tried if head not in self.restored]


def prune(
    order: Sequence[Head],
    shape: tuple[int, int],
    accuracy: Accuracy,
    threshold: float,
    prune_step: int,
    guardrail: Guardrail = "backtrack",
    decide: Accuracy | None = None,
    step_sizes: Sequence[int] = (),
) -> Iterator[Step]:
    """Prune along `order` (least important first) while `accuracy(pruned)` is at least `threshold`.

    Each step takes the next `prune_step` heads, or as many as `step_sizes` says, never a layer's last head
    (which, the order being ascending, is the layer's highest-scoring one).  A step that ends below the
    threshold restores its heads one at a time, most important first, until accuracy is back or the step is
    empty; then the search stops.  Step 0 is the model with nothing pruned.  Heads absent from `order` are
    never candidates.  The published scripts go on and end in other ways (see `Guardrail`).  `decide` is
    called instead of `accuracy` while heads are restored: below the threshold it may return any value below
    it.  Raises ValueError if `order` repeats a head or leaves the grid."""
    _check(order, shape)
    pruned = np.zeros(shape, dtype=bool)
    val_acc = accuracy(pruned)
    yield Step(0, [], [], pruned.copy(), val_acc, val_acc)
    waiting, sizes = list(order), iter(step_sizes)
    number = 0
    while waiting:
        if guardrail == "none":
            tried, waiting = waiting, []
        else:
            tried = _next_heads(waiting, pruned, next(sizes, prune_step), refill=guardrail == "backtrack")
        if not tried:
            continue
        number += 1
        for head in tried:
            pruned[head] = True
        tried_val_acc = current = accuracy(pruned)
        restored: list[Head] = []
        while guardrail in GIVING_BACK and current < threshold and len(restored) < len(tried):
            head = tried[-1 - len(restored)]
            pruned[head] = False
            restored.append(head)
            # With all heads restored this is the model of the previous step.
            current = val_acc if len(restored) == len(tried) else (decide or accuracy)(pruned)
        val_acc = current
        yield Step(number, tried, restored, pruned.copy(), tried_val_acc, val_acc)
        fell = val_acc < threshold and guardrail != "none"
        if fell or (restored and guardrail != "go on"):
            return


def _next_heads(
    waiting: list[Head], pruned: Bool[np.ndarray, "layer head"], count: int, refill: bool
) -> list[Head]:
    """Remove heads from `waiting`, of which `count` can be pruned, or, without `refill`, `count` in all; a
    layer's last head is spared."""
    remaining = (~pruned).sum(axis=1)
    taken: list[Head] = []
    places = count
    while waiting and places:
        layer, head = waiting.pop(0)
        can_go = remaining[layer] > 1
        if can_go:
            remaining[layer] -= 1
            taken.append((layer, head))
        places -= can_go or not refill
    return taken


def _check(order: Sequence[Head], shape: tuple[int, int]) -> None:
    if len(set(order)) != len(order):
        raise ValueError("an order must name each head once")
    outside = [h for h in order if not (0 <= h[0] < shape[0] and 0 <= h[1] < shape[1])]
    if outside:
        raise ValueError(f"heads {outside} lie outside the grid of {shape[0]} layers × {shape[1]} heads")
