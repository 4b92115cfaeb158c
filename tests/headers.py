"""A BERT's files as far as they are read without torch: a configuration, and weights that are one number."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

CONFIG = {"model_type": "bert", "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 8}
LINEARS = [
    *(f"attention.{name}" for name in ("self.query", "self.key", "self.value", "output.dense")),
    *("intermediate.dense", "output.dense"),
]


def encoder(value: float = 0) -> dict[str, np.ndarray]:
    """The weights of an encoder that was saved alone."""
    names = [f"encoder.layer.{layer}.{linear}.weight" for layer in (0, 1) for linear in LINEARS]
    names.append("embeddings.word_embeddings.weight")
    return {name: np.full((8, 8), value, dtype=np.float32) for name in names}


def classifier(value: float = 0, classes: int = 2) -> dict[str, np.ndarray]:
    """The weights of a whole classifier."""
    weights = {f"bert.{name}": weight for name, weight in encoder(value).items()}
    pooler = np.full((8, 8), value, dtype=np.float32)
    return weights | {"bert.pooler.dense.weight": pooler, "classifier.weight": pooler[:classes]}


def bert_folder(folder: Path, weights: dict[str, np.ndarray], **config: object) -> Path:
    """A folder with them and with what passes for a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "tokenizer.json").write_text("{}")
    save_file(weights, folder / "model.safetensors")
    return folder
