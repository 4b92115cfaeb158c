"""Attention weights of one text, and bertviz's views of them (in the warm process)."""

import re
from functools import cache, lru_cache
from pathlib import Path

import mpld3
import numpy as np
import torch
from bertviz import head_view, model_view
from jaxtyping import Float
from xstatic.pkg import jquery

from backend.encoding import to_device
from backend.errors import UserError
from backend.events import ModelName
from backend.inspection.attention import LONGEST_TEXT, Attention, changed_parts
from backend.inspection.opened import Opened, open_model

MODULES = """
window.require = {config: () => {}};
window.requirejs = (names, then) =>
  then(...names.map(name => ({jquery: window.jQuery, d3: window.d3})[name]));
"""
"""All that bertviz asks of require.js: both libraries are on the page already."""


def attend(run: str, name: ModelName, text: str, clean: str | None = None) -> Attention:
    """What the model's heads attend to on `text`; with `clean`, where it differs from that text.

    Pruned heads still attend; what they found is dropped behind them.  Raises UserError for an empty or
    endless text."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise UserError(
            f"The text has {len(text.strip()):,} characters. Give one of 1 to {LONGEST_TEXT:,} characters."
        )
    return _attend(run, name, text, clean)


@lru_cache(maxsize=16)
def _attend(run: str, name: ModelName, text: str, clean: str | None) -> Attention:
    opened = open_model(run, name)
    ids, weights = _weights(opened, text)
    changed = np.zeros(len(ids), dtype=bool)
    if clean is not None:
        changed = _tokens_in(opened, text, changed_parts(clean, text), len(ids))
    return Attention(opened.tokenizer.convert_ids_to_tokens(ids), weights, changed)


@torch.inference_mode()
def _weights(opened: Opened, text: str) -> tuple[list[int], Float[np.ndarray, "layer head query key"]]:
    encoded = opened.encode([text])
    batch = to_device(encoded.batch([0]), opened.model.device)
    batch.pop("labels", None)
    output = opened.model(**batch, output_attentions=True)
    stacked = torch.cat(list(output.attentions)).float().cpu().numpy()
    return encoded.features[0]["input_ids"], stacked


def _tokens_in(opened: Opened, text: str, parts: list[tuple[int, int]], count: int) -> np.ndarray:
    """The tokens that lie in those parts of the text."""
    where = opened.tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=count)
    return np.array(
        [
            end > start and any(start < to and end > since for since, to in parts)
            for start, end in where["offset_mapping"]
        ]
    )


def draw(
    run: str, name: ModelName, text: str, view: str, most: int, layers: list[int], head: int | None
) -> str:
    """bertviz's `head_view` (`view` "heads": the first of `layers` is chosen, and `head` alone, or all) or
    `model_view` ("model") of the first `most` tokens, as a page that needs no network."""
    found = attend(run, name, text)
    tokens = found.tokens[:most]
    weights = torch.from_numpy(found.weights[:, None, :, : len(tokens), : len(tokens)]).double()
    rounded = list(weights.round(decimals=3))
    if view == "heads":
        chosen = None if head is None else [head]
        made = head_view(rounded, tokens, layer=layers[0], heads=chosen, html_action="return")
    else:
        made = model_view(rounded, tokens, include_layers=layers, display_mode="light", html_action="return")
    return _alone(made.data)


def _alone(html: str) -> str:
    """The page without its fetched script, with the libraries in it, and with no text that ends a script."""
    kept = re.sub(r"<script src=[^>]*></script>", "", html)
    before, script = kept.split('<script type="text/javascript">', 1)
    script = script.rsplit("</script>", 1)[0]
    safe = script.replace("</", r"<\/").replace("<!--", r"<\!--")
    return (
        '<!doctype html><meta charset="utf-8"><style>body {margin: 0; background: #fff; color: #000}</style>'
        f"<script>{_libraries()}</script>{before}<script>{safe}</script>"
    )


@cache
def _libraries() -> str:
    """d3 (version 5), jQuery and the stand-in for require.js."""
    d3 = Path(mpld3.__file__).parent / "js" / "d3.v5.min.js"
    query = Path(jquery.BASE_DIR) / "jquery.min.js"
    return "\n".join([d3.read_text(encoding="utf-8"), query.read_text(encoding="utf-8"), MODULES])
