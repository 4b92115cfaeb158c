"""A page's own address (a kept link, a reloaded tab), asked first on a fresh server: the page, the whole menu
and the logo are there."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import served

pytestmark = pytest.mark.browser
PAGES = Path(__file__).parents[2] / "pages"
# In the order of the menu: each page's address and its heading.
HEADINGS = {
    "": "Cut backdoors out of language models",
    "check": "Check",
    "attack": "Attack",
    "defend": "Defend",
    "heads": "Heads",
    "attention": "Attention",
    "playground": "Playground",
    "compare": "Compare",
    "learn": "Learn",
    "runs": "Runs",
    "library": "Library",
    "studies": "Studies",
}
MENU = [address.capitalize() or "Overview" for address in HEADINGS]


def test_each_page_may_be_the_first_that_a_server_is_asked_for(
    excise_home: Path, tmp_path: Path, browser: BrowserContext, watched
) -> None:
    assert sorted(MENU) == sorted(path.stem.capitalize() for path in PAGES.glob("[!_]*.py"))
    for address, heading in HEADINGS.items():
        with served(tmp_path / "server.log") as server:
            page = browser.new_page()
            page.goto(f"{server}/{address}")
            expect(page.get_by_role("heading", name=heading, level=1, exact=True)).to_be_visible(
                timeout=60_000
            )
            expect(page.get_by_test_id("stSidebarNavLink")).to_have_text(
                [re.compile(f"{title}$") for title in MENU]
            )
            expect(page.get_by_test_id("stSidebarLogo")).to_be_visible()
            assert page.title() == "Excise"
            page.close()
    assert watched.strangers == [] and watched.errors == []
