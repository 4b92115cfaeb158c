"""Make gates permanent.  Zeroed: plain transformers loads it anywhere.  Compact: smaller and faster,
loaded by the one file that goes with it (`excise_compact.py`)."""

import copy
import shutil
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from safetensors.torch import save_model
from torch import Tensor
from transformers import PreTrainedModel

from backend.heads import excise_compact
from backend.heads.grid import HeadGrid, HeadSite


def zeroed(grid: HeadGrid) -> PreTrainedModel:
    """A copy of the grid's model whose gated heads are cut for good, with no gate left.

    A gated head's columns of its layer's output projection are set to zero, which is the same sum
    without that head's terms.  The copy uses the library's default attention."""
    pruned = grid.pruned()
    model = copy.deepcopy(grid.model)
    result = HeadGrid(model)
    for site, silent in zip(result.sites, pruned, strict=True):
        columns = _of_heads(site, silent)
        with torch.no_grad():
            site.output.weight[:, columns] = 0
    result.gate(pruned & False)
    model.set_attn_implementation("sdpa")
    return model


def compact(grid: HeadGrid) -> PreTrainedModel:
    """A copy of the grid's model without its gated heads: they are gone from the query, key, value and
    output projections, and the library's attention takes the number of heads from their width.

    A layer whose heads are all gated keeps its first one, silent, since the library cannot attend with
    none.  Nothing of Excise works on the copy: its heads are no grid any more."""
    model = zeroed(grid)
    for site, silent in zip(HeadGrid(model).sites, grid.pruned(), strict=True):
        speaking = ~silent
        speaking[0] |= silent.all()
        kept = _of_heads(site, speaking)
        with torch.no_grad():
            for linear in (site.query, site.key, site.value):
                weight, bias = linear.weight[kept], linear.bias[kept]
                excise_compact.narrow(linear, *weight.shape)
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)
            weight = site.output.weight[:, kept]
            excise_compact.narrow(site.output, *weight.shape)
            site.output.weight.copy_(weight)
    model.set_attn_implementation("sdpa")
    return model


def save_compact(model: PreTrainedModel, folder: Path) -> None:
    """Write what `compact` made, its configuration and its loader; the tokenizer is the caller's to add.

    The weights have a name of their own, so that plain transformers says it finds none."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    save_model(model, str(folder / excise_compact.WEIGHTS), metadata={"format": "pt"})
    shutil.copyfile(excise_compact.__file__, folder / Path(excise_compact.__file__).name)


def _of_heads(site: HeadSite, heads: Bool[np.ndarray, "head"]) -> Bool[Tensor, "heads_width"]:
    """Which of the numbers that the layer's output projection reads are those of `heads`."""
    width = site.output.in_features // len(heads)
    return torch.as_tensor(heads, device=site.output.weight.device).repeat_interleave(width)
