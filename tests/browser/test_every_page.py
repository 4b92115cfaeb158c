"""Every page in a real browser over a finished run of a tiny model: whole, silent on its console, no wider
than the window, and with no network."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser
CHART = ".js-plotly-plot .main-svg"
TABLE = "[data-testid='stDataFrame']"
# Each page's address, its heading, and what its content is seen by.
PAGES = {
    "": ("Cut backdoors out of language models", "text=Latest runs"),
    "check": ("Check", "text=Choose a model and labelled rows"),
    "attack": ("Attack", ".excise-pair"),
    "defend": ("Defend", "text=Which heads go first"),
    "defend?run={run}": ("Defend", CHART),
    "heads?run={run}": ("Heads", CHART),
    "attention?run={run}": ("Attention", CHART),
    "playground?run={run}": ("Playground", CHART),
    "compare?runs={run}": ("Compare", TABLE),
    "compare?runs={run}&view=Curves": ("Compare", CHART),
    "learn": ("Learn", "text=What attention heads do"),
    "learn?lesson=7": ("Learn", "text=How to read a failed defense"),
    "runs?run={run}": ("Runs", TABLE),
    "library": ("Library", TABLE),
    "studies": ("Studies", "text=Start a study"),
}


def open_page(page: Page, address: str, heading: str, content: str) -> None:
    """Open the page and wait until nothing of it is still to come."""
    page.goto(address)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible(timeout=60_000)
    expect(page.locator(content).first).to_be_visible(timeout=90_000)
    expect(page.get_by_test_id("stSpinner")).to_have_count(0, timeout=90_000)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=90_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


def overhang(page: Page) -> int:
    """Pixels by which the page's body is wider than what is seen of it."""
    return page.evaluate(
        "Math.max(...['[data-testid=stMain]', '[data-testid=stMainBlockContainer]', 'body']"
        ".map(one => document.querySelector(one)).map(one => one.scrollWidth - one.clientWidth))"
    )


@pytest.mark.parametrize("width", [1440, 800])
def test_every_page_is_whole_and_no_wider_than_the_window(
    run: str, dashboard: str, browser: BrowserContext, watched, width: int
) -> None:
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 1200})
    too_wide = {}
    for place, (heading, content) in PAGES.items():
        open_page(page, f"{dashboard}/{place.format(run=run)}", heading, content)
        if over := overhang(page):
            too_wide[place] = over
        assert watched.strangers == [] and watched.errors == [], place
    assert too_wide == {}


def test_a_reload_keeps_what_was_chosen(run: str, dashboard: str, browser: BrowserContext, watched) -> None:
    page = browser.new_page()
    page.goto(f"{dashboard}/compare?runs={run}")
    page.get_by_text("Show the paper's two published results").click(timeout=60_000)
    page.get_by_role("textbox", name="Search names").fill("no such run")
    page.get_by_role("textbox", name="Search names").press("Enter")
    expect(page.get_by_text("0 of 1 runs pass the filters")).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_text("0 of 1 runs pass the filters")).to_be_visible(timeout=60_000)
    assert f"runs={run}" in page.url

    page.goto(f"{dashboard}/learn?lesson=5")
    page.get_by_role("radio", name="0.60").click(timeout=60_000)
    expect(page.get_by_role("button", name="Try: τ 0.60, 2 a step")).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_role("button", name="Try: τ 0.60, 2 a step")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Syntactic and stylistic triggers").click()
    expect(page.get_by_role("heading", name="6 · ")).to_be_visible(timeout=60_000)
    assert watched.strangers == [] and watched.errors == []
