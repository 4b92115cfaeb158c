"""What models say to a text, under any gates, and what each token adds to it (in the warm process)."""

from collections.abc import Sequence

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from jaxtyping import Float, Int
from torch import Tensor

from backend.analysis.answers import Attributed, Place, Said
from backend.analysis.attention import LONGEST_TEXT
from backend.analysis.warm.models import Opened, one_thread, open_model
from backend.base.errors import UserError
from backend.base.events import Head
from backend.data.tokens import to_device

STEPS = 32
BATCH_TOKENS = 4096


def say(
    places: Sequence[Place], texts: Sequence[str], max_length: int, silent: Sequence[Head] = ()
) -> list[list[Said]]:
    """What each model says to each text (cut to `max_length` tokens), with the heads of `silent` silenced.

    Raises UserError for an empty or endless text, and for a head that a model has not."""
    for text in texts:
        _check(text)
    return [_say(open_model(*place), texts, max_length, silent) for place in places]


@torch.inference_mode()
def _say(opened: Opened, texts: Sequence[str], max_length: int, silent: Sequence[Head]) -> list[Said]:
    grid = np.zeros(opened.grid.shape, dtype=bool)
    for layer, head in silent:
        if not (0 <= layer < grid.shape[0] and 0 <= head < grid.shape[1]):
            raise UserError(
                f"There is no head {head} in a layer {layer}: the model has {grid.shape[0]} layers of "
                f"{grid.shape[1]} heads, counted from 0."
            )
        grid[layer, head] = True
    encoded = opened.encode(texts, max_length)
    batch = to_device(encoded.batch(range(len(texts))), opened.model.device)
    batch.pop("labels", None)
    with one_thread(), opened.grid.gated(grid):
        shares = opened.model(**batch).logits.float().softmax(-1).cpu().tolist()
    return [Said(dict(zip(opened.label_names, row, strict=True))) for row in shares]


def attribute(place: Place, text: str, label: str, max_length: int) -> Attributed:
    """What each token of the text adds to the log-odds of the class `label`: integrated gradients
    (Sundararajan, Taly, Yan, ICML 2017) over the word embeddings, from a text of padding alone.

    Raises UserError for an empty or endless text, and for a class that the model does not know."""
    _check(text)
    opened = open_model(*place)
    if label not in opened.label_names:
        raise UserError(f"The model knows no class {label!r}, only {', '.join(opened.label_names)}.")
    return _attribute(opened, text, opened.label_names.index(label), max_length)


def _attribute(opened: Opened, text: str, label: int, max_length: int) -> Attributed:
    encoded = opened.encode([text], max_length)
    batch = to_device(encoded.batch([0]), opened.model.device)
    ids = batch.pop("input_ids")
    batch.pop("labels", None)
    blank = _blanked(opened, ids)
    names = list(batch)

    def log_odds(ids: Int[Tensor, "row token"], *others: Tensor) -> Float[Tensor, " row"]:
        logits: Float[Tensor, "row class"]
        logits = opened.model(input_ids=ids, **dict(zip(names, others, strict=True))).logits.float()
        rest = [number for number in range(logits.shape[1]) if number != label]
        return logits[:, label] - logits[:, rest].logsumexp(-1)

    method = LayerIntegratedGradients(log_odds, opened.model.get_input_embeddings())
    others = tuple(batch.values())
    found = method.attribute(
        ids,
        baselines=blank,
        additional_forward_args=others or None,
        n_steps=STEPS,
        internal_batch_size=max(1, BATCH_TOKENS // ids.shape[1]),
    )
    assert isinstance(found, Tensor)
    added = found.detach().sum(-1)[0].cpu().tolist()
    with torch.inference_mode():
        start, end = log_odds(blank, *others).item(), log_odds(ids, *others).item()
    return Attributed(_pieces(opened, text, added), start, end)


def _blanked(opened: Opened, ids: Int[Tensor, "row token"]) -> Int[Tensor, "row token"]:
    """The same text with padding in place of every token but the special ones."""
    special = opened.tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True)
    # An unknown word is special to the tokenizer, and a word all the same.
    kept = torch.tensor(special, dtype=torch.bool, device=ids.device) & (ids[0] != _number(opened, "unk"))
    blank = torch.full_like(ids, _number(opened, "pad"))
    return torch.where(kept, ids, blank)


def _number(opened: Opened, which: str) -> int:
    number: int | None = getattr(opened.tokenizer, f"{which}_token_id")
    return -1 if number is None else number


def _pieces(opened: Opened, text: str, added: Sequence[float]) -> list[tuple[str, float | None]]:
    """The text cut where its tokens begin and end; one that lies inside of another joins it."""
    read = opened.tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=len(added))
    pieces: list[tuple[str, float | None]] = []
    done = 0
    for (start, end), value in zip(read["offset_mapping"], added, strict=True):
        if end <= start:
            continue
        if start < done:  # bytes of one character
            text_before, before = pieces.pop()
            pieces.append((text_before + text[done : max(done, end)], (before or 0.0) + value))
        else:
            if start > done:
                pieces.append((text[done:start], None))
            pieces.append((text[start:end], value))
        done = max(done, end)
    if done < len(text):
        pieces.append((text[done:], None))
    return pieces


def _check(text: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise UserError(
            f"The text has {len(text.strip()):,} characters. Give one of 1 to {LONGEST_TEXT:,} characters."
        )
