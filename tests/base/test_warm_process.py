"""The process beside the dashboard: it answers, says what is wrong, and comes back when it died."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.base import warm_process as module
from backend.base.errors import UserError
from backend.base.warm_process import WarmProcess


def refuse(what: str) -> None:
    raise UserError(f"No {what} here.")


def break_down() -> None:
    raise ZeroDivisionError("surprise")


class Panic(BaseException):
    """As libraries written in Rust raise it."""


def panic() -> None:
    raise Panic("no such token")


def die() -> None:
    os._exit(1)


def shout(text: str) -> str:
    print("what libraries print goes elsewhere")
    return text.upper()


@pytest.fixture
def warm() -> Iterator[WarmProcess]:
    made = WarmProcess()
    yield made
    made.close()


def test_it_answers_in_one_process_of_its_own(warm: WarmProcess) -> None:
    assert warm.ask(shout, "it works \ud800") == "IT WORKS \ud800"
    first = warm.ask(os.getpid)
    assert first != os.getpid() and warm.ask(os.getpid) == first


def test_who_does_not_wait_gets_the_answer_later(warm: WarmProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    answer = warm.hand(shout, "no hurry")
    assert warm.waiting == 1 and answer.result() == "NO HURRY"


def test_what_is_wrong_is_said_here(warm: WarmProcess, excise_home: Path) -> None:
    with pytest.raises(UserError, match="No parser here"):
        warm.ask(refuse, "parser")
    with pytest.raises(UserError, match="surprise") as caught:
        warm.ask(break_down)
    assert "Traceback" not in str(caught.value) and "Traceback" in (excise_home / "error.log").read_text()
    process = warm.ask(os.getpid)
    with pytest.raises(UserError, match="no such token"):
        warm.ask(panic)
    assert warm.ask(os.getpid) == process and warm.ask(shout, "still there") == "STILL THERE"


def test_a_process_that_was_killed_is_replaced(warm: WarmProcess) -> None:
    first = warm.ask(os.getpid)
    os.kill(first, signal.SIGKILL)
    assert warm.ask(os.getpid) != first


def test_a_question_that_kills_it_is_owned_up_to(warm: WarmProcess) -> None:
    with pytest.raises(UserError, match="memory ran out"):
        warm.ask(die)
    assert warm.ask(shout, "back") == "BACK"


def test_an_answer_that_takes_too_long_is_not_waited_for(
    warm: WarmProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.ask(shout, "warm")
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(UserError, match="continues in the background"):
        warm.ask(time.sleep, 1.5)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 60)
    assert warm.ask(shout, "next") == "NEXT"


def test_it_ends_with_the_process_that_asked() -> None:
    code = (
        "import os; from backend.base.warm_process import warm_process; print(warm_process().ask(os.getpid))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(asked.stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    pytest.fail("it is still there")


def test_a_waiting_user_is_told_how_many_are_before(warm: WarmProcess) -> None:
    assert warm.waiting == 0
    threads = [threading.Thread(target=warm.ask, args=(time.sleep, 0.5)) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 5
    while warm.waiting < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert warm.waiting == 2
    for thread in threads:
        thread.join()
    assert warm.waiting == 0
