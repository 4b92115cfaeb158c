import threading
import time
from collections.abc import Callable, Iterator
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


def until(met: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until `met`, and fail if that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def together(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)` … `work(count - 1)` in threads that start at the same time; raises what they raise."""
    barrier, errors = threading.Barrier(count), []

    def one(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
