"""bertviz's head view and model view as one HTML page that needs no network.

The drawing is bertviz's own (`head_view.js`, `model_view.js` of the installed package), with
the parameters that its Python functions would pass.  d3 comes from mpld3's wheel, jQuery from
XStatic-jQuery's, and a few lines in `assets/bertviz.js` stand in for require.js.  No package is imported:
bertviz would load torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from backend.base.events import Head

View = Literal["head_view", "model_view"]
ASSETS = Path(__file__).parents[2] / "assets"
# Whatever a token in it tries, the browser lets this page load nothing and send nothing.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
DECIMALS = 3


@dataclass(frozen=True)
class Panel:
    """One model reading one text.  `weights` are of the layers `layers`; heads in `pruned` are crossed."""

    title: str
    tokens: Sequence[str]
    weights: Float[np.ndarray, "layer head query key"]
    layers: Sequence[int]
    pruned: Sequence[Head] = ()


def bertviz_page(view: View, panels: Sequence[Panel], layer: int, head: int | None = None) -> str:
    """The panels side by side, as many as fit, in a page for an iframe.

    The head view opens at `layer`, and shows that `head` alone, or all."""
    shown = [_parameters(view, panel, f"bertviz-{i}", layer, head) for i, panel in enumerate(panels)]
    choice = '<label>Layer <select id="layer"></select></label>' if view == "head_view" else ""
    figures = "".join(
        f'<figure class="{view}"><figcaption>{escape(panel.title)}</figcaption>'
        f'<div id="bertviz-{i}">{choice}<div id="vis"></div></div></figure>'
        for i, panel in enumerate(panels)
    )
    pruned = [[list(one) for one in panel.pruned] for panel in panels]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{_asset('bertviz.css')}</style></head><body><main>{figures}</main>"
        f"<script>{_source('xstatic', 'pkg/jquery/data/jquery.min.js')}</script>"
        f"<script>{_source('mpld3', 'js/d3.v5.min.js')}</script>"
        f"<script>const PANELS = {_json(shown)}, PRUNED = {_json(pruned)};\n{_asset('bertviz.js')}</script>"
        f"<script>for (const PYTHON_PARAMS of PANELS) {{{_source('bertviz', view + '.js')}}}\n"
        "finish();</script></body></html>"
    )


def _parameters(view: View, panel: Panel, place: str, layer: int, head: int | None) -> dict[str, Any]:
    """The parameters that bertviz's Python functions pass to its scripts."""
    attention = {
        "name": None,
        # In double precision, so that 0.123 is written so.
        "attn": panel.weights.astype(np.float64).round(DECIMALS).tolist(),
        "left_text": list(panel.tokens),
        "right_text": list(panel.tokens),
    }
    common = {
        "attention": [attention],
        "default_filter": "0",
        "root_div_id": place,
        "include_layers": list(panel.layers),
    }
    if view == "head_view":
        return common | {"layer": layer, "heads": None if head is None else [head]}
    heads = panel.weights.shape[1]
    return common | {"display_mode": "light", "include_heads": list(range(heads)), "total_heads": heads}


def _json(value: object) -> str:
    """JSON for inside a script: no text in it can end the script or begin a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _source(package: str, path: str) -> str:
    """A script of an installed package, without importing the package."""
    module = find_spec(package)
    folders = [] if module is None else module.submodule_search_locations or []
    file = next(file for folder in folders if (file := Path(folder) / path).is_file())
    return file.read_text(encoding="utf-8")


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
