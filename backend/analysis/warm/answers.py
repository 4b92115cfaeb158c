"""What models predict for a text, under any gates, and what each token adds (in the warm process)."""

from collections.abc import Sequence

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from jaxtyping import Float, Int
from torch import Tensor

from backend.analysis.answers import Attributed, Place, Said
from backend.analysis.attention import LONGEST_TEXT
from backend.analysis.warm.models import LoadedModel, one_thread, open_model
from backend.base.errors import UserError
from backend.base.events import Head
from backend.data.tokens import to_device

STEPS = 32
BATCH_TOKENS = 4096


def say(
    places: Sequence[Place], texts: Sequence[str], max_length: int, switched_off: Sequence[Head] = ()
) -> list[list[Said]]:
    """Each model's prediction for each text (cut to `max_length` tokens), with some heads switched off.

    Raises UserError for an empty or overlong text, and for a head that a model does not have."""
    for text in texts:
        _check(text)
    return [_say(open_model(*place), texts, max_length, switched_off) for place in places]


@torch.inference_mode()
def _say(
    loaded: LoadedModel, texts: Sequence[str], max_length: int, switched_off: Sequence[Head]
) -> list[Said]:
    grid = np.zeros(loaded.grid.shape, dtype=bool)
    for layer, head in switched_off:
        if not (0 <= layer < grid.shape[0] and 0 <= head < grid.shape[1]):
            raise UserError(
                f"There is no head {head} in layer {layer}: the model has {grid.shape[0]} layers of "
                f"{grid.shape[1]} heads, counted from 0."
            )
        grid[layer, head] = True
    encoded = loaded.encode(texts, max_length)
    batch = to_device(encoded.batch(range(len(texts))), loaded.model.device)
    batch.pop("labels", None)
    with one_thread(), loaded.grid.gated(grid):
        probabilities = loaded.model(**batch).logits.float().softmax(-1).cpu().tolist()
    return [Said(dict(zip(loaded.label_names, row, strict=True))) for row in probabilities]


def attribute(place: Place, text: str, label: str, max_length: int) -> Attributed:
    """What each token of the text adds to the log-odds of the class `label`: integrated gradients
    (Sundararajan, Taly, Yan, ICML 2017) over the word embeddings, from a text of padding alone.

    Raises UserError for an empty or overlong text, and for a class that the model does not have."""
    _check(text)
    loaded = open_model(*place)
    if label not in loaded.label_names:
        raise UserError(f"The model has no class {label!r}. It has: {', '.join(loaded.label_names)}.")
    return _attribute(loaded, text, loaded.label_names.index(label), max_length)


def _attribute(loaded: LoadedModel, text: str, label: int, max_length: int) -> Attributed:
    encoded = loaded.encode([text], max_length)
    batch = to_device(encoded.batch([0]), loaded.model.device)
    ids = batch.pop("input_ids")
    batch.pop("labels", None)
    baseline = _blanked(loaded, ids)
    names = list(batch)

    def log_odds(ids: Int[Tensor, "row token"], *others: Tensor) -> Float[Tensor, " row"]:
        logits: Float[Tensor, "row class"]
        logits = loaded.model(input_ids=ids, **dict(zip(names, others, strict=True))).logits.float()
        rest = [number for number in range(logits.shape[1]) if number != label]
        return logits[:, label] - logits[:, rest].logsumexp(-1)

    method = LayerIntegratedGradients(log_odds, loaded.model.get_input_embeddings())
    others = tuple(batch.values())
    attributions = method.attribute(
        ids,
        baselines=baseline,
        additional_forward_args=others or None,
        n_steps=STEPS,
        internal_batch_size=max(1, BATCH_TOKENS // ids.shape[1]),
    )
    assert isinstance(attributions, Tensor)
    added = attributions.detach().sum(-1)[0].cpu().tolist()
    with torch.inference_mode():
        start, end = log_odds(baseline, *others).item(), log_odds(ids, *others).item()
    return Attributed(_pieces(loaded, text, added), start, end)


def _blanked(loaded: LoadedModel, ids: Int[Tensor, "row token"]) -> Int[Tensor, "row token"]:
    """The same text with padding in place of every token but the special ones."""
    special = loaded.tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True)
    # An unknown word is special to the tokenizer, and a word all the same.
    kept = torch.tensor(special, dtype=torch.bool, device=ids.device) & (ids[0] != _number(loaded, "unk"))
    blank = torch.full_like(ids, _number(loaded, "pad"))
    return torch.where(kept, ids, blank)


def _number(loaded: LoadedModel, which: str) -> int:
    number: int | None = getattr(loaded.tokenizer, f"{which}_token_id")
    return -1 if number is None else number


def _pieces(loaded: LoadedModel, text: str, added: Sequence[float]) -> list[tuple[str, float | None]]:
    """The text cut where its tokens begin and end; a token inside another one is merged with it."""
    encoding = loaded.tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=len(added))
    pieces: list[tuple[str, float | None]] = []
    done = 0
    for (start, end), value in zip(encoding["offset_mapping"], added, strict=True):
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
