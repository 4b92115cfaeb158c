"""Sampling of tokens with random numbers that belong to each row.  Torch is imported where it is needed."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def nucleus(logits: "Tensor", top_p: float, draws: Sequence[random.Random]) -> list[int]:
    """A token for each row of `logits` (batch, vocabulary), out of the likeliest that hold `top_p`.

    Source: Holtzman et al., *The Curious Case of Neural Text Degeneration*, ICLR 2020, section 3.1."""
    import torch

    shares, tokens = logits.softmax(-1).sort(-1, descending=True)
    sums = shares.double().cumsum(-1)
    # The first token whose sum reaches top_p is the nucleus's last.
    last = (sums < top_p).sum(-1).clamp(max=logits.shape[-1] - 1)
    mass = sums.gather(-1, last[:, None])
    wanted = (
        torch.tensor([draw.random() for draw in draws], dtype=sums.dtype, device=sums.device)[:, None] * mass
    )
    at = torch.searchsorted(sums, wanted, right=True).minimum(last[:, None])
    return [int(token) for token in tokens.gather(-1, at)[:, 0]]
