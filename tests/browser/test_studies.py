"""The Studies page in a real browser: a grid's runs are seen and opened by a click on their square."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from backend.runs.store import open_store
from backend.studies import store as records
from backend.studies.spec import cells, parse_study
from tests.pages.test_studies import finish
from tests.studies.grid import GRID


def test_a_square_leads_to_its_run(
    dashboard: str, browser: BrowserContext, watched, excise_home: Path
) -> None:
    store = open_store()
    record = records.read_study_record(store, records.register(store, parse_study(GRID)))
    for cell in cells(record.study):
        finish(store, record, cell)
    page = browser.new_page()
    page.goto(f"{dashboard}/studies?study={record.id}")
    expect(page.get_by_text("9 of 12 runs done")).to_be_visible(timeout=60_000)
    square = page.locator(".js-plotly-plot").first.locator(".scatterlayer .point").first
    square.wait_for()
    expect(page.get_by_role("button", name="LaTeX")).to_be_visible()  # all is there
    square.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    box = square.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("button", name="Open the run").click()
    name = "Small grid: rare · honest, seed 1"
    expect(page.get_by_role("heading", name=name)).to_be_visible(timeout=30_000)
    assert "run=" in page.url
    assert watched.strangers == [] and watched.errors == []
