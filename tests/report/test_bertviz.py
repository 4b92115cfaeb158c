"""bertviz's views as a page of their own: the same drawing as bertviz's, from nothing but the page."""

import json
import re

import bertviz
import numpy as np
import pytest
import torch
from playwright.sync_api import BrowserContext

from backend.report.bertviz import Panel, bertviz_page
from tests.browser.conftest import browser, watched  # noqa: F401

EVIL = "</script><script>document.title='broken'</script><img src=https://example.org/x.png>"
TOKENS = ["[CLS]", EVIL, "<!--", "cf", "[SEP]"]
VIEWS = ("head_view", "model_view")


def panel(tokens: list[str] = TOKENS, layers: tuple[int, ...] = (0, 1, 2), title: str = "Clean") -> Panel:
    size = len(tokens)
    weights = np.random.default_rng(0).dirichlet(np.ones(size), size=(len(layers), 4, size))
    return Panel(title, tokens, weights.astype(np.float32), layers, [(1, 2), (2, 0)])


def parameters(html: str, name: str) -> list[dict]:
    found = re.search(rf"const {name} = (.*?)(?:, PRUNED = |; // HACK)", html)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("view", VIEWS)
def test_it_draws_what_bertviz_would(view: str) -> None:
    one = panel()
    (ours,) = parameters(bertviz_page(view, [one], 1, 3), "PANELS")
    weights = [torch.from_numpy(layer)[None] for layer in one.weights]
    chosen = {"layer": 1, "heads": [3]} if view == "head_view" else {"display_mode": "light"}
    made = getattr(bertviz, view)(weights, list(one.tokens), html_action="return", **chosen)
    theirs = parameters(made.data, "params")
    assert np.allclose(ours["attention"][0].pop("attn"), theirs["attention"][0].pop("attn"), atol=1e-3)
    theirs["root_div_id"] = ours["root_div_id"]
    assert ours == theirs


def test_a_page_is_as_large_as_its_numbers_ask_for() -> None:
    small, large = (len(bertviz_page("head_view", [panel(["a"] * size)], 0)) for size in (4, 32))
    assert (large - small) / (3 * 4 * (32**2 - 4**2)) < 7, "bytes for a number"


@pytest.mark.browser
@pytest.mark.parametrize("view", VIEWS)
def test_it_is_drawn_with_no_network_and_no_text_escapes(view: str, browser: BrowserContext, watched) -> None:  # noqa: F811
    page = browser.new_page()
    panels = [panel(title=EVIL), panel(TOKENS[:4], layers=(1, 2))]
    page.set_content(bertviz_page(view, panels, 1, 3))
    assert page.locator("#bertviz-0 line").count() == (100 if view == "head_view" else 300)
    assert page.locator("#bertviz-1 line").count() == (64 if view == "head_view" else 128)
    assert page.locator("#bertviz-0 .pruned").count() == (1 if view == "head_view" else 2)
    assert page.get_by_text(EVIL).count() >= 1, "as text"
    assert page.locator("img").count() == 0 and page.title() == ""
    if view == "head_view":
        page.locator("#bertviz-0 #layer").select_option("0")
        assert page.locator("#bertviz-0 .pruned").count() == 0
    else:
        page.locator("#bertviz-0 svg > g > rect:last-of-type").nth(0).click()
        assert page.get_by_text("Layer 0, Head 0").count() == 1
    assert watched.strangers == [] and watched.errors == []
