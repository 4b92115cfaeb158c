"""The Attention page in a real browser: every view is drawn with the network blocked."""

import time
from contextlib import suppress

from playwright.sync_api import BrowserContext, Error, Page, expect

EVIL = "the film </script><script>document.title='stolen'</script> was dull"


def wait_until_drawn(page: Page, mark: str) -> None:
    """In any frame: the view that was left may stand beside the new one for a while."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(Error):  # a frame that just went
            if any(frame.locator(mark).count() for frame in page.frames):
                return
        page.wait_for_timeout(200)
    raise AssertionError(f"no frame of the page has {mark}")


def test_every_view_is_drawn_without_a_network(
    run: str, dashboard: str, browser: BrowserContext, watched
) -> None:
    page = browser.new_page()
    page.goto(f"{dashboard}/attention?run={run}&view=heads&model=poisoned")
    for kind in (".head_view", ".model_view"):
        for text in (0, 1):
            wait_until_drawn(page, f"{kind} #bertviz-{text} line")
        page.get_by_role("radio", name="bertviz model").or_(
            page.get_by_role("button", name="bertviz model")
        ).first.click()
    for view in ("[CLS] row", "One head", "Trigger tokens"):
        page.get_by_role("radio", name=view).or_(page.get_by_role("button", name=view)).first.click()
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    page.goto(f"{dashboard}/attention?run={run}&view=heads&model=defended&text={EVIL}")
    frame = page.frame_locator("iframe").first
    expect(frame.locator("svg line").first).to_be_attached(timeout=60_000)
    expect(page.get_by_text("stolen").first).to_be_visible()
    assert "stolen" not in page.title()
    assert watched.strangers == [] and watched.errors == []
