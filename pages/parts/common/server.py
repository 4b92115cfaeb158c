"""`streamlit …`, with what the pages import loaded while the browser fetches its files from the server.

Streamlit itself would import it for the first page that is asked for, while somebody waits."""

import threading
import time
from importlib import import_module

from streamlit import runtime
from streamlit.web.cli import main

NEEDED = ("pages.parts.runs.submit", "pages.parts.runs.monitor", "pages.parts.runs.cards")


def load() -> None:
    """Import all that, once there is a server: nothing is to be in its way."""
    while not runtime.exists():
        time.sleep(0.02)
    for name in NEEDED:
        import_module(name)


if __name__ == "__main__":
    threading.Thread(target=load, name="load", daemon=True).start()
    main(prog_name="streamlit")
