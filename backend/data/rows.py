"""Labelled rows of text, and the three splits that a run works on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Texts (with second texts for sentence pairs) and their class numbers, in one order."""

    texts: list[str]
    labels: list[int]
    second_texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> "Rows":
        """The rows at `indices`, in that order."""
        seconds = None if self.second_texts is None else [self.second_texts[i] for i in indices]
        return Rows([self.texts[i] for i in indices], [self.labels[i] for i in indices], seconds)

    def sample(self, rows: int, seed: int) -> "Rows":
        """`rows` of the rows (or all), drawn with `seed`, in their order."""
        return self.take(drawn(len(self), rows, seed))

    def with_texts(self, texts: list[str]) -> "Rows":
        """The same rows with other first texts."""
        return Rows(texts, self.labels, self.second_texts)

    def __add__(self, other: "Rows") -> "Rows":
        seconds = None
        if self.second_texts is not None and other.second_texts is not None:
            seconds = self.second_texts + other.second_texts
        return Rows(self.texts + other.texts, self.labels + other.labels, seconds)


@dataclass(frozen=True)
class Dataset:
    """Stratified, disjoint splits of one labelled data set.

    `notes` tell which columns were guessed, and which rows were dropped and why.  `data_names` are the
    data's own names of the classes, in the same order, where `label_names` are a model's.
    `classes_stated`: the user has given the order of the classes, see `align`."""

    source: str
    train: Rows
    validation: Rows
    test: Rows
    label_names: list[str]
    notes: list[str] = field(default_factory=list)
    data_names: list[str] = field(default_factory=list)
    classes_stated: bool = False


def drawn(count: int, rows: int, seed: int) -> list[int]:
    """`rows` of the first `count` whole numbers (or all), drawn with `seed`, in order."""
    return sorted(np.random.default_rng(seed).permutation(count)[:rows].tolist())
