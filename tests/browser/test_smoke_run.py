"""The main path in a real browser: start, watch, reload, download."""

import json
import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser
PATIENCE = 1000 * 420


def curve_points(page: Page) -> int:
    """Points of the live curve, of all its lines."""
    return page.locator("[class*='st-key-curve-'] .scatterlayer .points path").count()


def test_a_run_is_started_watched_reloaded_and_taken_home(
    dashboard: str, browser: BrowserContext, watched, tmp_path: Path
):
    page = browser.new_page()
    page.goto(dashboard)
    page.get_by_role("button", name="Start test run").click(timeout=60_000)
    page.wait_for_url(re.compile(r"/defend\?run=\w+"), timeout=60_000)
    address = page.url
    expect(page.get_by_text("Plant the backdoor").first).to_be_visible(timeout=60_000)

    # Another tab with the same address, mid-run, finds the same run.
    page.reload()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=60_000)
    assert page.url == address

    seen = {0}
    deadline = time.monotonic() + PATIENCE / 1000
    done = page.get_by_role("heading", name="Download")
    while not done.is_visible() and time.monotonic() < deadline:
        seen.add(curve_points(page))
        page.wait_for_timeout(150)
    expect(done).to_be_visible(timeout=1000)
    expect(page.locator("[class*='st-key-curve-']")).to_be_visible(timeout=20_000)
    assert len(seen) >= 3, f"the curve did not grow while the run went on: {sorted(seen)}"

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Results (JSON)").click()
    results = json.loads(Path(waiting.value.path()).read_text())
    assert results["state"] == "done"
    assert set(results["metrics"]) == {"poisoned", "fine_tuned", "pruned", "defended"}
    assert len(results["steps"]) >= 2

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report (HTML)").click()
    assert results["id"] in Path(waiting.value.path()).read_text()

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Zeroed model (zip)").click()
    folder = tmp_path / "model"
    with zipfile.ZipFile(waiting.value.path()) as archive:
        archive.extractall(folder)
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_labels == 2

    page.get_by_role("button", name="Make the compact model").click()
    expect(page.get_by_text("Weights on disk")).to_be_visible(timeout=120_000)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Compact model (zip)").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert {"excise_compact.py", "compact.safetensors", "README.md"} <= set(archive.namelist())

    assert watched.strangers == []
    assert watched.errors == []


def test_a_page_that_is_first_asked_for_by_its_own_address_is_whole(
    dashboard: str, browser: BrowserContext, watched
):
    page = browser.new_page()
    page.goto(f"{dashboard}/runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible(timeout=60_000)
    links = page.get_by_test_id("stSidebarNav").get_by_role("link")
    titles = [name.splitlines()[-1].strip() for name in links.all_inner_texts()]
    assert titles[0] == "Overview"
    assert {"Attack", "Defend", "Heads", "Compare", "Runs", "Studies"} <= set(titles)
    assert watched.strangers == []
    assert watched.errors == []
