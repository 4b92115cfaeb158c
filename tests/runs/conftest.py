import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.runs.schema import METADATA, bring_up_to_date
from backend.runs.store import Store, open_store

OTHER_STORE = os.environ.get("EXCISE_TEST_STORE")
"""An empty PostgreSQL database to run these tests on instead of SQLite; its tables are dropped."""


@pytest.fixture(autouse=True)
def other_store(excise_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if OTHER_STORE:
        monkeypatch.setenv("EXCISE_STORE", OTHER_STORE)
        with open_store().writing() as connection:
            METADATA.drop_all(connection)
            bring_up_to_date(connection)


@pytest.fixture
def on_sqlite() -> None:
    if OTHER_STORE:
        pytest.skip("about SQLite")


@pytest.fixture
def store(other_store: None) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.engine.dispose()
