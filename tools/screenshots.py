"""Take the pictures of README and docs from real runs.

    python tools/screenshots.py [--home FOLDER] [--width 1440] [--pages overview,heads]

Carries out the demo run, two more on the same poisoned model and a check of it (some fifteen minutes) in a
state folder of its own, or shows the newest finished runs of the one given, serves the dashboard and
photographs every page with Debian's Chromium.  What a page measures on request (other strategies, effects of
heads, known triggers, a lesson) is measured for its picture.  Pictures are PNG of 256 colours, so that a
clone stays small."""

import argparse
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from backend.analysis.importance import score
from backend.analysis.lessons import carry_out, lesson
from backend.runs.records import RunRecord
from backend.runs.store import open_store

FOLDER = ROOT / "docs" / "screenshots"
BESIDE = ("variance", "none")
"""Strategies of the other runs; the second is the control that prunes nothing."""
SETTLED_SECONDS = 3.0
PATIENCE_SECONDS = 420.0
TALLEST = 2600
BUSY = ", ".join(f"[data-testid='{name}']" for name in ("stStatusWidget", "stSpinner", "stProgress"))


@dataclass(frozen=True)
class Picture:
    """An address in the dashboard; what a user would do there first; the part that is shown (None: all)."""

    place: str
    first: Callable[[Page], None] = lambda page: None
    part: Callable[[Page], Locator] | None = None
    dark: bool = False


def press(name: str) -> Callable[[Page], None]:
    """Press the button whose name begins so, where the page (still) has it."""

    def pressed(page: Page) -> None:
        button = page.get_by_role("button", name=re.compile(f"^{name}"))
        if button.count():
            button.first.click()
            page.wait_for_timeout(2000)

    return pressed


def battery_panel(page: Page) -> Locator:
    return page.get_by_test_id("stVerticalBlock").filter(has_text="Trigger battery").last


PICTURES = {
    "overview": Picture(""),
    "check": Picture("check?run={check}"),
    "attack": Picture("attack"),
    "defend": Picture("defend?run={run}"),
    "defend-dark": Picture("defend?run={run}", dark=True),
    "battery": Picture("defend?run={run}", press("Try known triggers"), battery_panel),
    "heads": Picture("heads?run={run}", press("Measure")),
    "attention": Picture("attention?run={run}"),
    "playground": Picture("playground?run={run}"),
    "compare": Picture("compare?runs={runs}"),
    "runs": Picture("runs"),
    "studies": Picture("studies"),
    "learn": Picture("learn?lesson=5"),
    "library": Picture("library"),
}


def run_demo(home: Path, *more: str) -> None:
    """Carry out the demo run with those settings changed, in that state folder."""
    settings = [part for setting in ("share=true", *more) for part in ("--set", setting)]
    command = [sys.executable, "-m", "backend", "run", "--preset", "demo", *settings]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"EXCISE_HOME": str(home)}, check=True)


def carry_out_all(home: Path) -> None:
    """The runs that are shown; the demo last, so that it is the newest."""
    for name in BESIDE:
        run_demo(home, f"defense.params.strategy.name={name}", f"name=Demo, {name}")
    run_demo(home)


def check_of(run: RunRecord, home: Path) -> str:
    """A finished check of that run's poisoned model, carried out if there is none (four minutes)."""

    def done() -> list[str]:
        return [one.id for one in open_store().runs(states=["done"]) if one.spec and one.spec.only_checks]

    if not done():
        command = [sys.executable, "-m", "backend", "check", run.id]
        # Its exit status tells what it found.
        subprocess.run(command, cwd=ROOT, env=os.environ | {"EXCISE_HOME": str(home)}, check=False)
    return next(iter(done()), "")


def measured(names: list[str], run: RunRecord) -> None:
    """What the pages of these names show only once somebody has asked for it, and need no page to ask."""
    assert run.spec is not None
    if "heads" in names:
        score(run.id, run.spec, BESIDE[0])
    if "learn" in names:
        carry_out(lesson(poison_rate=0.5, family="syntactic"))  # what lesson 5 shows at first


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
    """Wait until nothing has been running, spinning or measuring for a while."""
    quiet, began = time.monotonic(), time.monotonic()
    while time.monotonic() - quiet < SETTLED_SECONDS and time.monotonic() - began < PATIENCE_SECONDS:
        if page.locator(BUSY).count():
            quiet = time.monotonic()
        time.sleep(0.2)


def photograph(page: Page, address: str, picture: Picture, width: int) -> bytes:
    page.emulate_media(color_scheme="dark" if picture.dark else "light")
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(address)
    page.locator("h1").first.wait_for(timeout=60_000)
    settle(page)
    picture.first(page)
    page.mouse.move(0, 0)  # no figure's buttons in the picture
    settle(page)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": int(height) + 20})
    settle(page)
    if picture.part is not None:
        return picture.part(page).screenshot()
    return page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": min(int(height), TALLEST)})


def save(taken: bytes, to: Path) -> None:
    picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(to, optimize=True)
    print(f"{to.relative_to(ROOT)}: {to.stat().st_size / 1024:.0f} KiB", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--home", type=Path, help="a state folder with finished runs")
    arguments.add_argument("--width", type=int, default=1440)
    arguments.add_argument("--pages", default=",".join(PICTURES), help="names separated by commas")
    asked = arguments.parse_args()
    names = asked.pages.split(",")
    if unknown := set(names) - set(PICTURES):
        sys.exit(f"No picture {', '.join(sorted(unknown))}; there are: {', '.join(PICTURES)}.")
    chromium = os.environ.get("EXCISE_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no Chromium: install Debian's `chromium`, or name one in EXCISE_CHROMIUM.")
    with tempfile.TemporaryDirectory(prefix="excise-screenshots-") as scratch:
        home = asked.home or Path(scratch)
        if asked.home is None:
            carry_out_all(home)
        os.environ["EXCISE_HOME"] = str(home)
        done = [run for run in open_store().runs(states=["done"]) if run.spec and run.spec.defense]
        if not done:
            sys.exit(f"{home} has no finished defense to show.")
        shown = next((run for run in done if run.summary and run.summary.pruned_heads), done[0])
        measured(names, shown)
        check = check_of(shown, home) if "check" in names else ""
        FOLDER.mkdir(exist_ok=True)
        with dashboard(home) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(device_scale_factor=1)
            runs = ",".join(run.id for run in done[:6])
            for name in names:
                place = PICTURES[name].place.format(run=shown.id, runs=runs, check=check)
                taken = photograph(page, f"{address}/{place}", PICTURES[name], asked.width)
                save(taken, FOLDER / f"{name}.png")
            browser.close()


if __name__ == "__main__":
    main()
