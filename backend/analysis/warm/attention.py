"""Attention weights of one text (in the warm process)."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from backend.analysis.attention import LONGEST_TEXT, Attention, changed_parts
from backend.analysis.warm.models import LoadedModel, one_thread, open_model
from backend.base.errors import UserError
from backend.base.events import ModelName
from backend.data.tokens import to_device


def attend(run: str, name: ModelName, text: str, clean: str | None = None) -> Attention:
    """What the model's heads attend to on `text`; with `clean`, where it differs from that text.

    Pruned heads still attend; only their output is dropped.  Raises UserError for an empty or overlong
    text."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise UserError(
            f"The text has {len(text.strip()):,} characters. Give one of 1 to {LONGEST_TEXT:,} characters."
        )
    return _attend(run, name, text, clean)


@lru_cache(maxsize=16)
def _attend(run: str, name: ModelName, text: str, clean: str | None) -> Attention:
    loaded = open_model(run, name)
    ids, weights = _weights(loaded, text)
    changed = np.zeros(len(ids), dtype=bool)
    if clean is not None:
        changed = _tokens_in(loaded, text, changed_parts(clean, text), len(ids))
    # As text, for byte-level tokenizers too.
    tokens = [
        loaded.tokenizer.decode([number]).strip() or loaded.tokenizer.decode([number]) for number in ids
    ]
    return Attention(tokens, weights, changed)


@torch.inference_mode()
def _weights(loaded: LoadedModel, text: str) -> tuple[list[int], Float[np.ndarray, "layer head query key"]]:
    encoded = loaded.encode([text])
    batch = to_device(encoded.batch([0]), loaded.model.device)
    batch.pop("labels", None)
    with one_thread():
        output = loaded.model(**batch, output_attentions=True)
    stacked = torch.cat(list(output.attentions)).float().cpu().numpy()
    return encoded.features[0]["input_ids"], stacked


def _tokens_in(loaded: LoadedModel, text: str, parts: list[tuple[int, int]], count: int) -> np.ndarray:
    """The tokens that lie in those parts of the text."""
    encoding = loaded.tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=count)
    return np.array(
        [
            end > start and any(start < to and end > since for since, to in parts)
            for start, end in encoding["offset_mapping"]
        ]
    )
