"""A real dashboard on a free port and a real Chromium that may talk to nothing else."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route, sync_playwright

from backend.runs.foreground import carry_out
from backend.runs.store import open_store
from backend.spec import parse
from tests.tiny import tiny_folder, tiny_settings

ROOT = Path(__file__).parents[2]
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# On a page's own address Streamlit's client first looks for the server below that address.
PROBES = ("/_stcore/health", "/_stcore/host-config")


@dataclass
class Watched:
    """What a browser did that it should not: requests to other hosts, errors on its console."""

    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def on_route(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in ("data", "blob", "file") or parts.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()

    def on_console(self, message: ConsoleMessage) -> None:
        probe = str(message.location.get("url", "")).endswith(PROBES)
        if message.type == "error" and not probe:
            self.errors.append(message.text)

    def on_page(self, page: Page) -> None:
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


def chromium() -> str:
    """The Chromium to drive; without one the test is skipped, or fails where it is required."""
    found = os.environ.get("EXCISE_CHROMIUM") or shutil.which("chromium")
    if found is None:
        reason = "no Chromium: put `chromium` on the path or name it in EXCISE_CHROMIUM"
        if os.environ.get("EXCISE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def served(log_file: Path) -> Iterator[str]:
    """The address of a fresh server, started as `python -m backend dashboard` starts its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = ("--server.headless", "true", "--server.port", str(port))
    command = [sys.executable, "-m", "pages.parts.common.server", "run", "app.py", *options]
    with log_file.open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _wait_until_up(server, address)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:  # it waits for a browser that keeps its connections
                server.kill()
                server.wait()


@pytest.fixture
def dashboard(excise_home: Path) -> Iterator[str]:
    """The address of a dashboard over an empty state folder; its worker ends with it."""
    assert chromium()
    excise_home.mkdir(parents=True, exist_ok=True)
    try:
        with served(excise_home / "dashboard.log") as address:
            yield address
    finally:
        _end_workers()


@pytest.fixture
def run(excise_home: Path, tmp_path: Path) -> str:
    """A real run of a tiny model that planted, pruned and defended."""
    settings = tiny_settings(tmp_path, tiny_folder(tmp_path / "victim"))
    settings["defense"] |= {"strategy": {"name": "random"}, "accuracy_threshold": 0.5}
    *_, end = carry_out(open_store(), parse.parse(settings), lambda said: None)
    assert end.state == "done", end.error
    return end.run


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def browser(watched: Watched) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        context = chrome.new_context(viewport={"width": 1440, "height": 1200}, accept_downloads=True)
        context.route("**/*", watched.on_route)
        context.on("page", watched.on_page)
        yield context
        chrome.close()


def _wait_until_up(server: "subprocess.Popen[bytes]", address: str) -> None:
    for _ in range(300):
        assert server.poll() is None, "the dashboard ended by itself"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not come up within a minute")


def _end_workers() -> None:
    """End the workers of this test's own store, by their process ids."""
    import signal

    import sqlalchemy as sa

    from backend.runs.schema import WORKERS

    with open_store().reading() as connection:
        pids = connection.execute(sa.select(WORKERS.c.pid)).scalars().all()
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
