"""The trigger battery in a real browser, over a real run of a tiny model."""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from backend.runs.foreground import carry_out
from backend.runs.store import open_store
from backend.spec import parse
from tests.tiny import tiny_folder, tiny_settings


def test_known_triggers_are_tried_and_told(
    dashboard: str, browser: BrowserContext, watched, excise_home: Path, tmp_path: Path
) -> None:
    settings = tiny_settings(tmp_path, tiny_folder(tmp_path / "victim"))
    *_, end = carry_out(open_store(), parse.parse(settings), lambda said: None)
    assert end.state == "done", end.error
    page = browser.new_page()
    page.goto(f"{dashboard}/defend?run={end.run}")
    page.get_by_role("button", name="Try known triggers").click(timeout=60_000)
    expect(page.get_by_text("A suspicion, not a proof")).to_be_visible(timeout=120_000)
    every = page.get_by_text(re.compile(r"All 1\d.triggers on"))
    every.click()
    expect(page.get_by_text("Rows that each known trigger flips")).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_text("A suspicion, not a proof")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Try known triggers")).to_have_count(0)
    assert watched.strangers == [] and watched.errors == []
