"""Take the pictures of README and docs from a real run.

    python docs/screenshots.py [--home FOLDER] [--width 1440] [--pages overview,heads]

Carries out the demo run (some minutes) in a state folder of its own, or shows the newest finished run of
the one given, serves the dashboard and photographs every page with Debian's Chromium."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, sync_playwright

from backend.lessons import carry_out, lesson
from backend.runs.store import open_store

FOLDER = ROOT / "docs" / "screenshots"
PAGES = {
    "overview": "",
    "attack": "attack",
    "defend": "defend?run={run}",
    "heads": "heads?run={run}",
    "attention": "attention?run={run}",
    "playground": "playground?run={run}",
    "compare": "compare?runs={run}",
    "studies": "studies",
    "learn": "learn?lesson=5",
    "library": "library",
}
SETTLED_SECONDS = 3.0
PATIENCE_SECONDS = 180.0
TALLEST = 4000


def demo(home: Path) -> None:
    """Carry out the demo run in that state folder."""
    command = [sys.executable, "-m", "backend", "run", "--preset", "demo"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"EXCISE_HOME": str(home)}, check=True)


@contextmanager
def dashboard(home: Path) -> Iterator[str]:
    """The address of a dashboard over that state folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "backend", "dashboard", "--no-demo", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"EXCISE_HOME": str(home)})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def settle(page: Page) -> None:
    """Wait until nothing has been running or spinning for a while."""
    quiet, began = time.monotonic(), time.monotonic()
    while time.monotonic() - quiet < SETTLED_SECONDS and time.monotonic() - began < PATIENCE_SECONDS:
        if page.locator("[data-testid='stStatusWidget'], [data-testid='stSpinner']").count():
            quiet = time.monotonic()
        time.sleep(0.2)


def photograph(page: Page, address: str, to: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(address)
    page.locator("h1").first.wait_for(timeout=60_000)
    settle(page)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height) + 20, TALLEST)})
    settle(page)
    page.screenshot(path=to)
    print(to.relative_to(ROOT), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--home", type=Path, help="a state folder with a finished run")
    arguments.add_argument("--width", type=int, default=1440)
    arguments.add_argument("--pages", default=",".join(PAGES), help="names separated by commas")
    asked = arguments.parse_args()
    names = asked.pages.split(",")
    if unknown := set(names) - set(PAGES):
        sys.exit(f"No page {', '.join(sorted(unknown))}; there are: {', '.join(PAGES)}.")
    chromium = os.environ.get("EXCISE_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no Chromium: install Debian's `chromium`, or name one in EXCISE_CHROMIUM.")
    with tempfile.TemporaryDirectory(prefix="excise-screenshots-") as scratch:
        home = asked.home or Path(scratch)
        if asked.home is None:
            demo(home)
        os.environ["EXCISE_HOME"] = str(home)
        if "learn" in names:
            carry_out(lesson(poison_rate=0.5, family="syntactic"))  # what lesson 5 shows at first
        done = [run for run in open_store().runs(states=["done"]) if run.spec and run.spec.defense]
        if not done:
            sys.exit(f"{home} has no finished defense to show.")
        FOLDER.mkdir(exist_ok=True)
        with dashboard(home) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(device_scale_factor=1)
            for name in names:
                place = PAGES[name].format(run=done[0].id)
                photograph(page, f"{address}/{place}", FOLDER / f"{name}.png", asked.width)
            browser.close()


if __name__ == "__main__":
    main()
