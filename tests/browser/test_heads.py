"""The Heads page in a real browser, over a real run of a tiny model: measure unseen, then open heads."""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from backend.analysis.head_effects import heads_left, read_effects
from backend.runs.foreground import carry_out
from backend.runs.store import open_store
from backend.spec import parse
from tests.tiny import tiny_folder, tiny_settings


def test_every_head_is_measured_and_one_is_opened(
    dashboard: str, browser: BrowserContext, watched, excise_home: Path, tmp_path: Path
) -> None:
    store = open_store()
    settings = tiny_settings(tmp_path, tiny_folder(tmp_path / "victim"))
    settings["defense"] |= {"strategy": {"name": "random"}, "accuracy_threshold": 0.5}
    *_, end = carry_out(store, parse.parse(settings), lambda said: None)
    assert end.state == "done", end.error
    page = browser.new_page()
    page.goto(f"{dashboard}/heads?run={end.run}")
    page.get_by_role("button", name="Measure every head").click(timeout=60_000)
    own = page.get_by_test_id("stMainBlockContainer")  # Streamlit has a button of that name while it is busy
    expect(own.get_by_role("button", name="Stop")).to_be_visible(timeout=30_000)
    page.close()  # It goes on all the same.
    page = browser.new_page()
    page.goto(f"{dashboard}/heads?run={end.run}")
    expect(page.get_by_text(re.compile("LFR with every head active"))).to_be_visible(timeout=120_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=120_000)
    assert not heads_left(read_effects(end.run), 3, 4, end.pruned_heads)
    expect(page.get_by_text(re.compile("with this head switched off: ACC"))).to_be_visible(timeout=30_000)
    for grid, head in ((0, 11), (1, 4), (0, 11), (0, 11)):
        click(page, grid, head)
        layer, number = divmod(head, 4)
        expect(page.get_by_text(re.compile(f"Layer {layer}, head {number}:"))).to_be_visible(timeout=30_000)
    assert "layer=2" in page.url and "head=3" in page.url
    page.get_by_role("radio", name="ACC").or_(page.get_by_role("button", name="ACC")).first.click()
    expect(page.get_by_text(re.compile("ACC with every head active"))).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_text(re.compile("Layer 2, head 3:"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile("ACC with every head active"))).to_be_visible(timeout=30_000)
    assert watched.strangers == [] and watched.errors == []


def click(page: Page, grid: int, head: int) -> None:
    """On a head's square in one of the page's grids."""
    page.wait_for_timeout(1000)
    squares = (
        page.locator(".js-plotly-plot").nth(grid).locator(".scatterlayer .trace").first.locator(".point")
    )
    squares.nth(head).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    box = squares.nth(head).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
