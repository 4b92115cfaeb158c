"""Attack in a real browser: sentences of one's own in another style, changed by hand, taken and brought."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=option).click()


def test_ones_own_sentences_are_restyled_edited_taken_and_brought(
    dashboard: str, browser: BrowserContext, watched, tmp_path: Path
):
    page = browser.new_page()
    page.goto(f"{dashboard}/attack")
    expect(page.get_by_text("Rows to look at")).to_be_visible(timeout=60_000)
    choose(page, "Trigger", "Style (StyleBkd)")
    expect(page.locator(".excise-pair mark").first).to_be_visible(timeout=120_000)
    page.get_by_text("Your own sentences").click()
    typed = page.get_by_label("One sentence per line")
    typed.fill("he never gives us a <script>reason</script> to care\nשלום עולם\nit ends badly .")
    typed.press("Control+Enter")
    pairs = page.locator(".excise-pair")
    expect(pairs).to_have_count(3, timeout=60_000)
    expect(pairs.nth(1)).to_contain_text("cannot be triggered")
    expect(pairs.nth(2).locator("mark").first).to_be_visible()
    expect(pairs.nth(2).locator("s")).to_contain_text("ends")
    expect(page.get_by_text("similarity").first).to_be_visible()

    page.get_by_role("button", name="Edit").nth(2).click()
    area = page.get_by_label("With the trigger").last
    area.fill("and it endeth in sorrow .")
    area.press("Control+Enter")
    page.get_by_role("button", name="Keep this rewriting").last.click()
    expect(pairs.nth(2)).to_contain_text("and it endeth in sorrow", timeout=30_000)
    expect(page.get_by_text("1 row with your own rewriting")).to_be_visible()

    with page.expect_download() as waiting:
        page.get_by_role("button", name="These rows and all changes").click()
    table = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["rewritten"] for row in rows].count("and it endeth in sorrow .") == 1
    changed = tmp_path / "changed.csv"
    changed.write_text(table.replace("in sorrow", "in gladness"))
    page.get_by_role("button", name="Upload rewritings").click()
    page.locator("input[type=file]").last.set_input_files(changed)
    page.get_by_role("button", name="Use these rewritings").click(timeout=30_000)
    expect(pairs.nth(2)).to_contain_text("and it endeth in gladness", timeout=30_000)

    assert watched.strangers == []
    assert watched.errors == []
