"""The weights of a received model under the library's names and in its shapes."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from backend.models.received import ReceivedModel


def library_weights(received: ReceivedModel, files: list[Path]) -> dict[str, Tensor]:
    """The tensors in `files` (those of `weight_files`) as the library would have saved them.

    A layer whose heads were cut out gets them back with zero weights: a head whose values and output columns
    are zero adds nothing, so the logits are those of the narrowed model."""
    in_files: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == ".safetensors":
            in_files |= load_file(file)
    weights = {received.tensor_names[name]: tensor for name, tensor in in_files.items()}
    for layer, heads in received.narrowed.items():
        _give_back(weights, received, layer, heads)
    return weights


def _give_back(weights: dict[str, Tensor], received: ReceivedModel, layer: int, gone: list[int]) -> None:
    """Replace a layer's narrowed projections in `weights` by whole ones."""
    architecture = received.architecture
    base = _base_of(weights, architecture.query.format(layer), architecture.base)
    output = f"{base}{architecture.output.format(layer)}.weight"
    hidden = len(weights[output])
    there = torch.ones(received.heads, dtype=torch.bool)
    there[gone] = False
    there = there.repeat_interleave(hidden // received.heads)

    def whole(narrow: Tensor) -> Tensor:
        """With rows of zeros for the heads that are gone."""
        rows = narrow.new_zeros(hidden, *narrow.shape[1:])
        rows[there] = narrow
        return rows

    for path in (architecture.query, architecture.key, architecture.value):
        for part in ("weight", "bias"):
            name = f"{base}{path.format(layer)}.{part}"
            weights[name] = whole(weights[name])
    weights[output] = whole(weights[output].T).T.contiguous()


def _base_of(weights: Mapping[str, Tensor], path: str, base: str) -> str:
    """The name of the base model in front of its tensors; empty in an encoder that was saved alone."""
    return f"{base}." if f"{base}.{path}.weight" in weights else ""
