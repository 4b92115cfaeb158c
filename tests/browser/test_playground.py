"""The playground in a real browser, over a real run of a tiny model: ask, silence a head, come back."""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from backend.runs.foreground import carry_out
from backend.runs.store import open_store
from backend.spec import parse
from tests.tiny import tiny_folder, tiny_settings


def test_models_answer_and_a_head_is_silenced_by_a_click(
    dashboard: str, browser: BrowserContext, watched, excise_home: Path, tmp_path: Path
) -> None:
    store = open_store()
    settings = tiny_settings(tmp_path, tiny_folder(tmp_path / "victim"))
    *_, end = carry_out(store, parse.parse(settings), lambda said: None)
    assert end.state == "done", end.error
    page = browser.new_page()
    page.goto(f"{dashboard}/playground?run={end.run}&text=the+film+was+%3Cb%3Edull%3C%2Fb%3E")
    expect(page.get_by_text("speaks against it")).to_be_visible(timeout=90_000)
    expect(page.locator(".excise-tokens").nth(1)).to_contain_text("dull")
    grid = page.locator(".js-plotly-plot").nth(1)
    squares = grid.locator(".scatterlayer .trace").first.locator(".point")
    expect(squares).to_have_count(12)
    squares.last.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    box = squares.last.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text(re.compile("with 1.head switched off"))).to_be_visible(timeout=30_000)
    assert "heads=2.3" in page.url
    page.reload()
    expect(page.get_by_text(re.compile("with 1.head switched off"))).to_be_visible(timeout=90_000)
    expect(page.get_by_text("layer 2, head 3", exact=True)).to_be_visible()
    page.get_by_role("button", name="Switch all heads on").click()
    expect(page.get_by_text(re.compile("with 0.heads switched off"))).to_be_visible(timeout=30_000)
    assert watched.strangers == [] and watched.errors == []
