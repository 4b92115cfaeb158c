"""Loads the model of this folder, whose pruned attention heads are removed from its weights.

    from excise_compact import load
    model, tokenizer = load(".")

Needs torch, transformers 5 or newer and safetensors.  Written by Excise.
SPDX-License-Identifier: Apache-2.0"""

from pathlib import Path

import transformers
from safetensors.torch import load_file
from torch import empty, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

WEIGHTS = "compact.safetensors"


def load(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The classifier in `folder`, in evaluation mode on the CPU, and its tokenizer.

    The model is the library's own; only its attention projections are as narrow as the weights in the
    folder, and the library's attention takes the number of heads from their width.  Raises ImportError
    for an older transformers, RuntimeError for weights that are missing, unexpected or too wide."""
    if int(transformers.__version__.split(".")[0]) < 5:
        raise ImportError(
            f"This model needs transformers 5 or newer; this is {transformers.__version__}. "
            "Upgrade it: pip install --upgrade transformers"
        )
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
    weights = load_file(Path(folder) / WEIGHTS)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and f"{name}.weight" in weights:
            outputs, inputs = weights[f"{name}.weight"].shape
            if outputs < module.out_features or inputs < module.in_features:
                narrow(module, outputs, inputs)
    model.load_state_dict(weights, strict=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def narrow(linear: nn.Linear, outputs: int, inputs: int) -> None:
    """Resize to `outputs` × `inputs` weights in place; their values are loaded afterwards."""
    old = linear.weight
    linear.out_features, linear.in_features = outputs, inputs
    linear.weight = nn.Parameter(empty(outputs, inputs, dtype=old.dtype, device=old.device))
    if linear.bias is not None and len(linear.bias) != outputs:
        linear.bias = nn.Parameter(empty(outputs, dtype=old.dtype, device=old.device))
