"""Make gates permanent: the zeroed export, which plain transformers loads anywhere."""

import copy

import torch
from transformers import PreTrainedModel

from backend.heads.gating import HeadGrid


def zeroed(grid: HeadGrid) -> PreTrainedModel:
    """A copy of the grid's model whose gated heads are cut for good, with no gate left.

    A gated head's columns of its layer's output projection are set to zero, which is the same sum
    without that head's terms.  The copy uses the library's default attention."""
    pruned = grid.pruned()
    model = copy.deepcopy(grid.model)
    result = HeadGrid(model)
    for site, silent in zip(result.sites, pruned, strict=True):
        width = site.output.in_features // result.heads
        columns = torch.as_tensor(silent, device=site.output.weight.device).repeat_interleave(width)
        with torch.no_grad():
            site.output.weight[:, columns] = 0
    result.gate(pruned & False)
    model.set_attn_implementation("sdpa")
    return model
