"""Small text can be read on light and on dark ground: 4.5 to 1, as WCAG's level AA asks."""

from collections.abc import Sequence

import pytest
from playwright.sync_api import BrowserContext, expect

from backend.runs.store import open_store
from tests.pages.played import defended

COLOURS = """() => {
  const style = one => getComputedStyle(one);
  const button = document.querySelector("[data-testid=stBaseButton-primary]");
  const mark = document.querySelector(".excise-pairs mark");
  const ground = style(document.querySelector("[data-testid=stApp]")).backgroundColor;
  const texts = [".xtick text", ".annotation-text", ".textpoint text"]
    .map(one => document.querySelector(one));
  return [[style(button.querySelector("p")).color, style(button).backgroundColor],
          [style(mark).color, style(mark).backgroundColor],
          ...texts.map(one => [style(one).fill, ground])]
    .map(pair => pair.map(colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number)));
}"""


def luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_buttons_marks_and_figures_can_be_read(
    dashboard: str, browser: BrowserContext, excise_home: object, scheme: str
) -> None:
    run = defended(open_store())
    page = browser.new_page()
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{dashboard}/defend?run={run}")
    page.get_by_text("Rows with the trigger").click(timeout=60_000)
    expect(page.locator(".excise-pairs mark").first).to_be_visible()
    expect(page.locator(".textpoint text").first).to_be_visible()
    expect(page.get_by_role("button", name="Report (HTML)")).to_be_visible()
    assert all(contrast(*pair) >= 4.5 for pair in page.evaluate(COLOURS))
