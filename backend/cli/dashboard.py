"""Starts the dashboard: the server, the embedded data, a demo run, and the supervisor of the queue."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backend.base.errors import UserError
from backend.base.paths import ROOT, environment
from backend.cli import console

if TYPE_CHECKING:
    from backend.runs.store import Store

READY_SECONDS = 60.0


def main(args: Sequence[str] | None = None) -> None:
    """Only `python -m backend dashboard`, without imports that would delay its server."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(dashboard)
    app.callback()(lambda: None)  # else a single command has no name
    console.run(app, args)


def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    demo: Annotated[bool, typer.Option(help="Queue the demo run when there is no run yet.")] = True,
) -> None:
    """Serve the dashboard."""
    serve(address, port, demo, console.say)


def serve(address: str, port: int, demo: bool, say: Callable[[str], None]) -> None:
    """Serve the dashboard until Ctrl-C or SIGTERM; runs go on in their worker.

    With `demo`, the demo run is queued when there is no run yet.  Raises UserError if the port
    cannot be used or the server ends by itself."""
    _require_port(address, port)
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, _interrupt)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "pages.parts.common.server", "run", str(ROOT / "app.py")),
            *("--server.address", address, "--server.port", str(port)),
            *("--server.headless", "true", "--browser.gatherUsageStats", "false"),
        ],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        # Its banner lists the address of every network card; only the chosen one is printed below.
        stdout=subprocess.DEVNULL,
        # This process handles Ctrl-C, and ends the server properly.
        start_new_session=True,
    )
    try:
        from backend.runs.store import open_store
        from backend.runs.worker import supervise

        store = open_store()
        prepare(store, demo, say)  # while the server starts
        threading.Thread(target=supervise, args=(stop, store), name="supervise", daemon=True).start()
        _wait_until_up(server, address, port)
        say(f"Excise is at http://{_host(address)}:{port} (Ctrl-C stops the dashboard, not the runs)")
        while (code := server.poll()) is None:
            time.sleep(0.5)  # A wait without a timeout could miss a Ctrl-C just before it.
        raise UserError(f"The dashboard ended by itself (exit status {code}). Its messages are above.")
    except KeyboardInterrupt:
        say("The dashboard has stopped. Runs go on in the background.")
    finally:
        stop.set()
        _end(server)
        signal.signal(signal.SIGTERM, before)


def _environment() -> dict[str, str]:
    """The server's environment, with an absolute store address if one is set."""
    if not os.environ.get("EXCISE_STORE"):
        return environment()
    from backend.runs.store import open_store

    return environment(open_store().address)


def prepare(store: "Store", demo: bool, say: Callable[[str], None]) -> None:
    """Fetch the embedded data, and queue the demo run if there is no run yet."""
    from backend.data import embedded
    from backend.spec.presets import preset

    say("Checking the embedded data (downloaded once)")
    try:
        embedded.fetch()
    except UserError as error:
        say(f"Warning: {error}")
        return
    if demo and not store.runs(limit=1):
        record = store.submit(preset("demo"))
        say(f"Queued the demo run {record.id}; look at it first")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _require_port(address: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} on {address} is in use, perhaps by another dashboard. "
                f"Open http://{_host(address)}:{port}, stop that program, or choose another --port."
            ) from error
        raise UserError(
            f"The dashboard cannot listen on {address} port {port} ({error.strerror or error}). "
            "Choose another --address or --port."
        ) from error


def _host(address: str) -> str:
    """The host for a browser on this machine."""
    if address in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _wait_until_up(server: "subprocess.Popen[bytes]", address: str, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((_host(address).strip("[]"), port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)


def _end(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
