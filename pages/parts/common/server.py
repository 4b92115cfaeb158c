"""`streamlit …` for this dashboard: every page comes through app.py, and what pages import is loaded while
the browser fetches its files from the server.

Plain `streamlit run app.py` takes the folder `pages` for an old-style app until app.py has run once: a page
whose own address is opened before that stands alone, without logo, under a menu of file names."""

import threading
import time
from importlib import import_module

from streamlit import runtime
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

NEEDED = ("pages.parts.runs.submit", "pages.parts.runs.monitor", "pages.parts.runs.cards")


def load() -> None:
    """Import all that, once there is a server: nothing is to be in its way."""
    while not runtime.exists():
        time.sleep(0.02)
    for name in NEEDED:
        import_module(name)


if __name__ == "__main__":
    PagesManager.uses_pages_directory = False
    threading.Thread(target=load, name="load", daemon=True).start()
    main(prog_name="streamlit")
