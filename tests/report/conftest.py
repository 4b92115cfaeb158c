import pytest

from backend.runs.store import Store, open_store


@pytest.fixture
def store(excise_home: object) -> Store:
    return open_store()
