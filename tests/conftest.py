"""Every test has a state folder and a store of its own; fetched data and models are shared between them."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# As `python -m backend` does: threads that wait must not spin while a browser test draws.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SHARED_CACHE = os.environ.get("EXCISE_CACHE") or str(Path("~/.excise/cache").expanduser())
OF_THE_USER = ("EXCISE_STORE", "EXCISE_STORE_TIMEOUT", "EXCISE_KEEP_MIB")

# How long an example takes says what else the machine does.
settings.register_profile("excise", settings.default, deadline=None)
settings.load_profile("excise")


def pytest_runtest_setup() -> None:
    """One thread for torch: two wait for each other longer than a tiny model computes, and sums of floats
    must not depend on which test was first.  Who needs no torch does not wait for it here."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def excise_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh `EXCISE_HOME`."""
    folder = tmp_path / "excise-home"
    monkeypatch.setenv("EXCISE_HOME", str(folder))
    monkeypatch.setenv("EXCISE_CACHE", SHARED_CACHE)
    for name in OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    return folder
