"""Every test has a state folder of its own; fetched data and models are shared between them."""

import os
from pathlib import Path

import pytest

# As `python -m backend` does: threads that wait must not spin while a browser test draws.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SHARED_CACHE = os.environ.get("EXCISE_CACHE") or str(Path("~/.excise/cache").expanduser())


@pytest.fixture(autouse=True)
def excise_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh `EXCISE_HOME`."""
    folder = tmp_path / "excise-home"
    monkeypatch.setenv("EXCISE_HOME", str(folder))
    monkeypatch.setenv("EXCISE_CACHE", SHARED_CACHE)
    return folder
