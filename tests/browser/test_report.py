"""The report in a real browser, from a file, with no network: the figures are drawn, the links work."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from backend.findings.gather import gather
from backend.report.html.page import report
from backend.runs.store import open_store
from backend.spec.parse import load
from tests.pages.played import defended, full_spec

pytestmark = pytest.mark.browser
NAME = "<img src='https://example.org/x.png' onerror='document.title=1'> & co"


@pytest.fixture
def file(excise_home: Path, tmp_path: Path) -> Path:
    store = open_store()
    run = defended(store, full_spec(NAME))
    path = tmp_path / "report.html"
    path.write_text(report(gather(store, store.run(run))), encoding="utf-8")
    return path


def test_the_report_is_drawn_from_its_file_alone(file: Path, browser: BrowserContext, watched):
    page = browser.new_page()
    page.goto(file.as_uri())
    for name in ("models", "curve", "heads"):
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible(timeout=60_000)
    assert page.locator("#curve .scatterlayer .points path").count() >= 8
    assert page.locator("#heads .heatmaplayer image").count() == 1
    assert page.locator("#models .barlayer .point").count() == 12
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    assert page.locator("img").count() == 0 and page.title().endswith("Excise report")

    page.get_by_text("All 4 steps").click()
    expect(page.get_by_role("cell", name="0.0 0.1", exact=True)).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="excise-").click()
    assert load(Path(waiting.value.path())) == full_spec(NAME)
    page.locator("#curve").hover()
    with page.expect_download() as waiting:
        page.locator("#curve [data-title^='Download plot']").click()
    assert waiting.value.suggested_filename == "excise-curve.png"
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied").or_(page.get_by_text("Selected"))).to_be_visible()

    assert watched.strangers == []
    assert watched.errors == []


def test_it_reads_well_in_the_dark_on_a_telephone_and_on_paper(file: Path, browser: BrowserContext, watched):
    page = browser.new_page()
    page.goto(file.as_uri())
    title = page.locator("#curve .gtitle")
    on_light, on_dark = "rgb(27, 39, 51)", "rgb(230, 237, 243)"
    expect(title).to_have_css("fill", on_light, timeout=60_000)
    page.emulate_media(color_scheme="dark")
    expect(title).to_have_css("fill", on_dark)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("() => document.querySelector('#curve .main-svg').clientWidth < 390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # On paper: the colours of light, everything unfolded, and back again.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(title).to_have_css("fill", on_light)
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(title).to_have_css("fill", on_dark)
    assert page.locator("details[open]").count() == 0
    assert watched.strangers == []
    assert watched.errors == []
