"""The Attention page in a real browser: every view is drawn with the network blocked."""

from playwright.sync_api import BrowserContext, expect

EVIL = "the film </script><script>document.title='stolen'</script> was dull"


def test_every_view_is_drawn_without_a_network(
    run: str, dashboard: str, browser: BrowserContext, watched
) -> None:
    page = browser.new_page()
    page.goto(f"{dashboard}/attention?run={run}&view=heads&model=poisoned")
    for kind in (".head_view", ".model_view"):
        frame = page.frame_locator("iframe")
        for text in (0, 1):
            line = frame.locator(f"{kind} #bertviz-{text} line").first
            expect(line).to_be_attached(timeout=120_000)
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
