"""Rows tokenised once, and batches of them with little padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.base.errors import UserError
from backend.data.rows import Rows, drawn

Batch = dict[str, Int[Tensor, "row token"]]


@dataclass(frozen=True)
class Encoded:
    """Tokenised rows: one dict of token lists per row (`input_ids`, …), and their labels."""

    features: list[dict[str, list[int]]]
    labels: list[int]
    tokenizer: PreTrainedTokenizerBase

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "Encoded") -> "Encoded":
        return Encoded(self.features + other.features, self.labels + other.labels, self.tokenizer)

    def take(self, indices: Sequence[int]) -> "Encoded":
        return Encoded([self.features[i] for i in indices], [self.labels[i] for i in indices], self.tokenizer)

    def sample(self, rows: int, seed: int) -> "Encoded":
        """`rows` of the rows (or all), drawn with `seed`, in their order."""
        return self.take(drawn(len(self), rows, seed))

    def lengths(self) -> list[int]:
        return [len(feature["input_ids"]) for feature in self.features]

    def check_tokens(self, model: PreTrainedModel) -> None:
        """Raise UserError if a row has a token without an embedding in the model."""
        vocabulary_size = model.get_input_embeddings().num_embeddings
        largest = max((max(feature["input_ids"]) for feature in self.features), default=0)
        if largest >= vocabulary_size:
            raise UserError(
                f"The tokenizer has token number {largest}, but the model has only {vocabulary_size} tokens: "
                "they do not belong together. Put the model's own tokenizer into its folder."
            )

    def batch(self, indices: Sequence[int]) -> Batch:
        """The rows at `indices`, padded to the longest of them."""
        padded = self.tokenizer.pad([self.features[i] for i in indices], return_tensors="pt")
        return dict(padded)

    def batches_by_length(self, batch_tokens: int) -> Iterator[list[int]]:
        """Row numbers in batches of similar length, at most `batch_tokens` tokens with padding."""
        lengths = self.lengths()
        chosen: list[int] = []
        for i in sorted(range(len(self)), key=lengths.__getitem__):
            if chosen and lengths[i] * (len(chosen) + 1) > batch_tokens:
                yield chosen
                chosen = []
            chosen.append(i)
        if chosen:
            yield chosen

    def batches_in_order(self, rows: int) -> Iterator[list[int]]:
        """Row numbers in data-set order, `rows` at a time."""
        for start in range(0, len(self), rows):
            yield list(range(start, min(start + rows, len(self))))


def encode(tokenizer: PreTrainedTokenizerBase, rows: Rows, max_length: int) -> Encoded:
    """Tokenise `rows`, each cut to `max_length` tokens (second texts as sentence pairs)."""
    if not len(rows):
        return Encoded([], [], tokenizer)
    tokens = tokenizer(rows.texts, rows.second_texts, truncation=True, max_length=max_length)
    names = list(tokens)
    features = [{name: tokens[name][i] for name in names} for i in range(len(rows))]
    return Encoded(features, rows.labels, tokenizer)


def to_device(batch: Batch, device: torch.device) -> Batch:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
