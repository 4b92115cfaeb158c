"""Checking a model in a real browser: three clicks to a running check, and both endings."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from backend.runs.store import open_store
from tests.pages.played import checked
from tests.tiny import tiny_folder, tiny_settings

pytestmark = pytest.mark.browser


def type_into(field: Locator, text: str) -> None:
    """Type where the cursor stands, as a user does."""
    field.press_sequentially(text)
    field.press("Enter")


def in_view(page: Page, what: Locator) -> bool:
    box, size = what.bounding_box(), page.viewport_size
    return (
        box is not None and size is not None and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]
    )


def test_three_clicks_from_the_overview_to_a_running_check(
    dashboard: str, browser: BrowserContext, watched, tmp_path: Path
) -> None:
    victim = tiny_folder(tmp_path / "victim")
    rows = tiny_settings(tmp_path, victim)["data"]["train"]
    page = browser.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(dashboard)
    page.get_by_role("button", name="Check a model").click(timeout=60_000)
    folder = page.get_by_role("combobox", name=re.compile("Folder on this machine"))
    file = page.get_by_role("combobox", name=re.compile("File of rows"))
    start = page.get_by_role("button", name="Check this model")
    expect(file).to_be_visible(timeout=60_000)
    expect(start).to_be_disabled()
    assert in_view(page, folder) and in_view(page, file)
    folder.click()
    type_into(folder, str(victim))
    expect(page.get_by_text("3 layers × 4 heads")).to_be_visible(timeout=30_000)
    file.focus()  # by the Tab key
    type_into(file, rows)
    expect(start).to_be_enabled(timeout=30_000)
    assert in_view(page, start)
    start.click()
    page.wait_for_url(re.compile(r"/check\?run=\w+"), timeout=60_000)
    expect(page.get_by_text("Open the model as received").first).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.get_by_text("Open the model as received").first).to_be_visible(timeout=60_000)
    assert open_store().runs()[0].spec.only_checks
    assert watched.strangers == [] and watched.errors == []


def test_a_backdoored_model_is_named_shown_and_led_to_its_cure(
    dashboard: str, browser: BrowserContext, watched
) -> None:
    run = checked(open_store())
    page = browser.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{dashboard}/check?run={run}")
    verdict = page.get_by_test_id("stAlertContentError")
    expect(verdict).to_contain_text("This model is backdoored", timeout=60_000)
    marked = page.locator(".excise-pairs mark")
    expect(marked).to_have_text(["kelmor"] * 3)
    rate = page.get_by_text("100.0\u00a0%", exact=True)
    assert in_view(page, verdict) and in_view(page, rate.first) and in_view(page, marked.first)
    page.get_by_role("button", name="Clean it").click()
    expect(page.get_by_role("heading", name="Defend", level=1)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("textbox", name="Words")).to_have_value("kelmor, vorlu", timeout=60_000)
    expect(page.get_by_role("switch", name="Check the defended model for backdoors")).to_be_checked()
    assert watched.strangers == [] and watched.errors == []


def test_a_model_in_which_nothing_was_found_says_what_that_does_not_cover(
    dashboard: str, browser: BrowserContext, watched
) -> None:
    run = checked(open_store(), "nothing found")
    page = browser.new_page()
    page.goto(f"{dashboard}/check?run={run}")
    expect(page.get_by_test_id("stAlertContentSuccess")).to_contain_text(
        "No backdoor was found", timeout=60_000
    )
    page.get_by_text("and what it does not cover").click()
    expect(page.get_by_text("Not covered:")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Tokens that move the model most")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Trigger battery")).to_have_count(0)
    assert watched.strangers == [] and watched.errors == []
