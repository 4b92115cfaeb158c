"""Every test has a state folder and a store of its own; fetched data and models are shared between them."""

import os
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# As `python -m backend` does: threads that wait must not spin while a browser test draws.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tiny models lie in the CPU's memory, and what tests compare is its float32: only processes of test_gpu.py
# see a GPU.
os.environ.setdefault("EXCISE_TEST_GPUS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

SHARED_CACHE = os.environ.get("EXCISE_CACHE") or str(Path("~/.excise/cache").expanduser())
OF_THE_USER = ("EXCISE_STORE", "EXCISE_STORE_TIMEOUT", "EXCISE_KEEP_MIB")

# How long an example takes says what else the machine does.
hypothesis.settings.register_profile("excise", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("excise")


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


@pytest.fixture(autouse=True)
def _files_are_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test opens the dashboard, which has them read elsewhere until the test ends."""
    from backend.data.reading.elsewhere import Elsewhere

    monkeypatch.setattr(Elsewhere, "enabled", False)


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier in a folder, which no test changes."""
    from tests.tiny import tiny_folder  # brings torch

    return tiny_folder(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def settings(tmp_path: Path, victim: Path) -> dict[str, Any]:
    """Of a whole run of it, planting and defense."""
    from tests.tiny import tiny_settings  # brings torch

    return tiny_settings(tmp_path, victim)
