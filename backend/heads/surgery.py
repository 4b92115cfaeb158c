"""Make gates permanent.  Zeroed: plain transformers can load it.  Compact: smaller and faster, loaded
by the file saved with it (`excise_compact.py`)."""

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
    """A copy of the grid's model whose gated heads are removed permanently, with no gate left.

    A gated head's columns of its layer's output projection are set to zero, which gives the same sum
    without that head's terms.  The copy uses the library's default attention."""
    pruned = grid.pruned()
    model = copy.deepcopy(grid.model)
    result = HeadGrid(model)
    for site, gated in zip(result.sites, pruned, strict=True):
        columns = _of_heads(site, gated)
        with torch.no_grad():
            site.output.weight[:, columns] = 0
    result.gate(pruned & False)
    model.set_attn_implementation("sdpa")
    return model


def compact(grid: HeadGrid) -> PreTrainedModel:
    """A copy of the grid's model without its gated heads: they are removed from the query, key, value
    and output projections, and the library's attention takes the number of heads from their width.

    A layer whose heads are all gated keeps its first one, zeroed, since the library cannot attend without
    heads.  Excise cannot work on the copy: its layers no longer have the same number of heads."""
    model = zeroed(grid)
    for site, gated in zip(HeadGrid(model).sites, grid.pruned(), strict=True):
        active = ~gated
        active[0] |= gated.all()
        kept = _of_heads(site, active)
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
    """Write a model from `compact`, its configuration and its loader; the caller adds the tokenizer.

    The weights file has its own name, so that plain transformers reports that it finds none."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    save_model(model, str(folder / excise_compact.WEIGHTS), metadata={"format": "pt"})
    shutil.copyfile(excise_compact.__file__, folder / Path(excise_compact.__file__).name)


def _of_heads(site: HeadSite, heads: Bool[np.ndarray, "head"]) -> Bool[Tensor, "heads_width"]:
    """Which inputs of the layer's output projection belong to `heads`."""
    width = site.output.in_features // len(heads)
    return torch.as_tensor(heads, device=site.output.weight.device).repeat_interleave(width)
