"""The dashboard reads no file of rows itself."""

import os

from streamlit.testing.v1 import AppTest

from backend.data.reading.elsewhere import bounded
from tests.pages.open_app import open_app


def page() -> None:
    import os

    import streamlit as st

    from backend.data.reading.elsewhere import bounded
    from pages.parts.common.reading import read_files_elsewhere

    read_files_elsewhere()
    st.text(str(bounded("the file", os.getpid)))


def test_files_are_read_by_another_process() -> None:
    shown = AppTest.from_function(page, default_timeout=30).run()
    assert not shown.exception
    assert int(shown.text[0].value) != os.getpid()


def test_the_app_has_it_so_on_every_page() -> None:
    assert bounded("the file", os.getpid) == os.getpid()
    open_app()
    assert bounded("the file", os.getpid) != os.getpid()
