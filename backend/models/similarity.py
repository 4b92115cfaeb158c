"""How similar a rewriting is to its text: in length, and in content by sentence embeddings.

The embeddings are those of the embedded MiniLM-L6 (mean over tokens, unit length), which was trained
for sentence similarity (Reimers, Gurevych, *Sentence-BERT*, EMNLP 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from backend.base.device import probe
from backend.data.rows import Rows
from backend.data.tokens import encode, to_device
from backend.models.places import embedded_folder
from backend.models.weights import weight_files

MOST_TOKENS = 128
# Rewritings with the same meaning lie above this; sentences on the same subject with another meaning mostly
# below.
SAME_CONTENT = 0.6
SHORTEST, LONGEST = 0.6, 1.7


@dataclass(frozen=True)
class Similarity:
    """`length`: words of the rewriting divided by those of the text.  `similarity`: cosine, in [-1, 1]."""

    length: float
    similarity: float

    @property
    def lost(self) -> list[str]:
        """What the rewriting lost, in words; empty if length and content were kept."""
        losses = []
        if self.length < SHORTEST:
            losses.append("much shorter")
        elif self.length > LONGEST:
            losses.append("much longer")
        if self.similarity < SAME_CONTENT:
            losses.append("other content")
        return losses

    @property
    def label(self) -> str:
        """Whether length and content were kept, with the numbers."""
        verdict = ", ".join(self.lost) or "length and content kept"
        return f"{verdict} (length ×{self.length:.1f}, similarity {self.similarity:.2f})"


def similarities(texts: Sequence[str], rewritten: Sequence[str]) -> list[Similarity]:
    """The similarity of each text and its rewriting.  Raises UserError if the embedded model cannot be
    fetched."""
    if not texts:
        return []
    old, new = embeddings(texts), embeddings(rewritten)
    cosines = (old * new).sum(axis=1)
    lengths = [
        len(new_text.split()) / max(len(old_text.split()), 1)
        for old_text, new_text in zip(texts, rewritten, strict=True)
    ]
    return [Similarity(length, float(cosine)) for length, cosine in zip(lengths, cosines, strict=True)]


@torch.inference_mode()
def embeddings(texts: Sequence[str]) -> Float[np.ndarray, "text 384"]:
    """Unit vectors, one for each text (its first 128 tokens)."""
    model, tokenizer = _encoder()
    rows = encode(tokenizer, Rows(list(texts), [0] * len(texts)), MOST_TOKENS)
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    for indices in rows.batches_by_length(probe().batch_tokens):
        batch = to_device(rows.batch(indices), probe().torch_device)
        mask = batch["attention_mask"][..., None]
        states = model(**batch).last_hidden_state * mask
        vectors[indices] = functional.normalize(states.sum(1) / mask.sum(1), dim=-1).cpu().numpy()
    return vectors


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any]:
    folder = embedded_folder()
    weight_files(folder)
    model = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return model.to(probe().torch_device).eval(), tokenizer
