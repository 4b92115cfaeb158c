"""A process for one question: it answers, meets its limits, and ends when nobody waits."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.base import brief_process as module
from backend.base.brief_process import Ended, Limits, ask_apart
from backend.base.errors import UserError

LIMITS = Limits(memory=1 << 30, seconds=60, answer=1 << 20)


def nothing() -> None:
    pass


def refuse(what: str) -> None:
    raise UserError(f"No {what} here.")


def break_down() -> None:
    raise ZeroDivisionError("surprise")


def grow() -> int:
    return len(bytearray(1 << 40))


def fill(megabytes: int) -> int:
    return sum(len(bytearray(b"x" * (1 << 20))) for _ in [bytearray(1 << 20) for _ in range(megabytes)])


def sleep_after_telling(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def die() -> None:
    os._exit(1)


def big() -> bytes:
    return bytes(2 << 20)


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_each_question_has_a_process_of_its_own_that_ends() -> None:
    first, second = (ask_apart(LIMITS, nothing, os.getpid) for _ in range(2))
    assert len({first, second, os.getpid()}) == 3
    assert is_gone(first) and is_gone(second)


def test_what_is_wrong_is_said_here(excise_home: Path) -> None:
    with pytest.raises(UserError, match="No table here"):
        ask_apart(LIMITS, nothing, refuse, "table")
    with pytest.raises(UserError, match="surprise"):
        ask_apart(LIMITS, nothing, break_down)
    assert "Traceback" in (excise_home / "error.log").read_text()


@pytest.mark.parametrize(
    ("function", "args", "limits", "reason"),
    [
        (grow, (), LIMITS, "memory"),
        (time.sleep, (60,), Limits(memory=1 << 30, seconds=0.5, answer=1000), "time"),
        (big, (), LIMITS, "answer"),
        (die, (), LIMITS, "death"),
    ],
)
def test_limits(function, args, limits: Limits, reason: str) -> None:
    with pytest.raises(Ended) as caught:
        ask_apart(limits, nothing, function, *args)
    assert caught.value.reason == reason


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound it so")
def test_memory_is_bounded_by_the_system() -> None:
    small = Limits(memory=300 << 20, seconds=60, answer=1000)
    assert ask_apart(small, nothing, fill, 10)
    with pytest.raises(Ended) as caught:
        ask_apart(small, nothing, fill, 600)
    assert caught.value.reason in ("memory", "death")


class NobodyWaits(Exception):
    pass


def test_it_is_killed_when_nobody_waits_any_more(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def leave() -> None:
        if told.is_file() and told.read_text():
            raise NobodyWaits

    with pytest.raises(NobodyWaits):
        ask_apart(LIMITS, leave, sleep_after_telling, str(told))
    assert is_gone(int(told.read_text()))


def test_it_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        "import sys; from backend.base.brief_process import Limits, ask_apart\n"
        "from tests.base.test_brief_process import LIMITS, nothing, sleep_after_telling\n"
        f"ask_apart(LIMITS, nothing, sleep_after_telling, {str(told)!r})"
    )
    asker = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while not (told.is_file() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    asker.kill()
    asker.wait()
    assert is_gone(int(told.read_text()))


def test_who_has_to_wait_for_a_place_may_leave() -> None:
    asked = [
        threading.Thread(target=ask_apart, args=(LIMITS, nothing, time.sleep, 4))
        for _ in range(module.AT_ONCE)
    ]
    for thread in asked:
        thread.start()
    time.sleep(0.2)

    def leave() -> None:
        raise NobodyWaits

    start = time.monotonic()
    with pytest.raises(NobodyWaits):
        ask_apart(LIMITS, leave, time.sleep, 4)
    assert time.monotonic() - start < 2
    for thread in asked:
        thread.join()
    assert ask_apart(LIMITS, nothing, os.getpid) != os.getpid(), "the places are free again"
