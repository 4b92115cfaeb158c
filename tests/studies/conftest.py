"""A store of its own for each test, and an engine that needs no model."""

from pathlib import Path

import pytest

from backend.runs import execution
from backend.runs.store import Store, open_store
from backend.studies import preflight
from tests.studies.grid import engine


@pytest.fixture
def store(excise_home: Path) -> Store:
    return open_store()


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "default_engine", lambda: engine)
    monkeypatch.setattr(preflight, "check", lambda *_: [])
