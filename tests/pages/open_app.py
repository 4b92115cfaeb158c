"""app.py under AppTest, as the dashboard's server runs it."""

from pathlib import Path

from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

APP = Path(__file__).parents[2] / "app.py"


class ForgetfulPages(PagesManager):
    """What AppTest resets before each run is this class's `uses_pages_directory`, not the one that counts."""


def open_app(timeout: float = 30) -> AppTest:
    """Every page comes through app.py, with its menu, as with `pages.parts.common.server`."""
    PagesManager.uses_pages_directory = False
    app_test.PagesManager = ForgetfulPages
    return AppTest.from_file(str(APP), default_timeout=timeout).run()
