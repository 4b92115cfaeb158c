"""What a classifier answers when tokens are inserted into a row: many insertions into one place at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend.attacks.generators import gaps
from backend.attacks.generators.insertion import insert
from backend.base.device import autocast, probe
from backend.base.errors import DIVERGED, UserError
from backend.base.progress import Tick, no_tick
from backend.data.rows import Rows
from backend.heads.architectures import ARCHITECTURES
from backend.heads.grid import HeadGrid
from backend.heads.packed_forward import Packed, run

Place = Literal["start", "middle", "end"]
PLACES: tuple[Place, ...] = ("start", "middle", "end")

Insertions = Int[np.ndarray, "insertion piece"]
"""Token numbers, one insertion a line, all of the same length."""


@dataclass(frozen=True)
class Slot:
    """A tokenised row with one place, at `place`, where tokens can be inserted; `types` are the token types,
    and `type_there` that of what is inserted.  `label` is the row's class."""

    ids: tuple[int, ...]
    types: tuple[int, ...]
    place: int
    type_there: int
    label: int

    def filled(self, inserted: Insertions) -> tuple[Int[np.ndarray, "row token"], list[int]]:
        """The row with each of the insertions, and the token types that all of these rows have."""
        count, length = inserted.shape
        row = np.array(self.ids, dtype=np.int64)[None].repeat(count, axis=0)
        ids = np.concatenate([row[:, : self.place], inserted, row[:, self.place :]], axis=1)
        types = [*self.types[: self.place], *[self.type_there] * length, *self.types[self.place :]]
        return ids, types


def cut(rows: Rows, words: int) -> Rows:
    """The rows with the first `words` words of their first texts."""
    return rows.with_texts([_first_words(text, words) for text in rows.texts])


def _first_words(text: str, words: int) -> str:
    places = gaps.places(text, words)
    return text[: places[-1]] if places else text


def gap_at(text: str, place: Place) -> int:
    """The offset in the text of that place between words."""
    places = gaps.places(text, len(text)) or [0]
    return {"start": places[0], "middle": places[len(places) // 2], "end": places[-1]}[place]


def slots(
    tokenizer: PreTrainedTokenizerBase, rows: Rows, places: Sequence[Place], filler: str, max_length: int
) -> list[Slot]:
    """A slot for each row, the places taken in turn; without rows whose place lies beyond `max_length`.

    `filler` is a word of one token, put in the place for the tokeniser and taken out again: so the words
    around it have the pieces that they have beside an inserted word."""
    result = []
    for number, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
        gap = gap_at(text, places[number % len(places)])
        with_filler = insert(text, gap, filler)
        second = None if rows.second_texts is None else [rows.second_texts[number]]
        tokens = tokenizer([with_filler], second, truncation=True, max_length=max_length)
        at_filler = gap + with_filler[gap:].index(filler)
        place = tokens.char_to_token(0, at_filler, sequence_index=0)
        if place is None:
            continue
        ids = tokens["input_ids"][0]
        types = tokens["token_type_ids"][0] if "token_type_ids" in tokens else [0] * len(ids)
        del_at = slice(place, place + 1)
        there = types[place]
        ids, types = list(ids), list(types)
        del ids[del_at], types[del_at]
        result.append(Slot(tuple(ids), tuple(types), place, there, label))
    return result


@torch.inference_mode()
def logits(
    model: PreTrainedModel, slot: Slot, inserted: Insertions, tick: Tick = no_tick
) -> Float[np.ndarray, "insertion class"]:
    """The model's logits for the row with each of the insertions.

    `tick` is called after each batch.  Raises UserError if logits are not finite."""
    model.eval()
    size = max(1, probe().batch_tokens // (len(slot.ids) + inserted.shape[1]))
    grid = HeadGrid(model) if model.config.model_type in ARCHITECTURES else None
    parts = []
    for start in range(0, len(inserted), size):
        ids, types = slot.filled(inserted[start : start + size])
        with autocast():
            batch = _whole(model, ids, types) if grid is None else _packed(grid, ids, types)
        parts.append(batch.float().cpu().numpy())
        if not np.isfinite(parts[-1]).all():
            raise UserError(DIVERGED)
        tick(min(start + size, len(inserted)), len(inserted))
    return np.concatenate(parts)


def _packed(
    grid: HeadGrid, ids: Int[np.ndarray, "row token"], types: list[int]
) -> Float[Tensor, "row class"]:
    """The fast pass, in which only the first token is computed in the last layer."""
    rows, length = ids.shape
    device = grid.sites[0].output.weight.device
    packed = Packed(
        rows=list(range(rows)),
        token_ids=torch.from_numpy(ids.reshape(-1)).to(device),
        token_types=torch.tensor(types, device=device).repeat(rows),
        positions=torch.arange(length, device=device).repeat(rows),
        groups=[(rows, length)],
        first=torch.arange(rows, device=device) * length,
    )
    return run(grid, packed).classes


def _whole(
    model: PreTrainedModel, ids: Int[np.ndarray, "row token"], types: list[int]
) -> Float[Tensor, "row class"]:
    """The library's own pass, for architectures without a fast one."""
    token_ids = torch.from_numpy(ids).to(model.device)
    batch = {"input_ids": token_ids, "attention_mask": torch.ones_like(token_ids)}
    if any(types):
        batch["token_type_ids"] = torch.tensor(types, device=model.device).expand_as(token_ids)
    result: Tensor = model(**batch).logits
    return result


def log_odds(logits: Float[np.ndarray, "*row class"]) -> Float[np.ndarray, "*row class"]:
    """The log-odds of each class against all others together."""
    classes = logits.shape[-1]
    result = np.empty_like(logits)
    for number in range(classes):
        others = np.delete(logits, number, axis=-1)
        result[..., number] = logits[..., number] - np.logaddexp.reduce(others, axis=-1)
    return result


def plain(model: PreTrainedModel, slot: Slot) -> Float[np.ndarray, "class"]:
    """The log-odds of the row with nothing inserted."""
    nothing = np.empty((1, 0), dtype=np.int64)
    unchanged: Float[np.ndarray, " class"] = log_odds(logits(model, slot, nothing))[0]
    return unchanged
