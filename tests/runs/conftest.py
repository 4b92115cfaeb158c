from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.runs.store import Store, open_store


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("EXCISE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EXCISE_STORE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def store(state_folder: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.engine.dispose()
