import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.runs.schema import METADATA
from backend.runs.store import Store, open_store

OTHER_STORE = os.environ.get("EXCISE_TEST_STORE")
"""An empty PostgreSQL database to run these tests on instead of SQLite; its tables are dropped."""


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("EXCISE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EXCISE_STORE", raising=False)
    if OTHER_STORE:
        monkeypatch.setenv("EXCISE_STORE", OTHER_STORE)
        with open_store().writing() as connection:
            METADATA.drop_all(connection)
            METADATA.create_all(connection)
    return tmp_path / "home"


@pytest.fixture
def on_sqlite() -> None:
    if OTHER_STORE:
        pytest.skip("about SQLite")


@pytest.fixture
def store(state_folder: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.engine.dispose()
