"""A process for one question, bounded in memory and time, that ends when nobody waits for the answer.

For work on what a stranger may have made, such as reading a file: whatever it does to its process, the one
that asked goes on."""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Literal, ParamSpec, TypeVar

from backend.base.errors import UserError, memory_ran_out, message_of
from backend.base.paths import ROOT, environment, home

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 2
"""Processes of this kind beside each other; further questions wait."""
POLL_SECONDS = 0.1
_places = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Limits:
    """What one question may take: bytes of memory (where the system can bound them), seconds, and bytes of
    the answer."""

    memory: int
    seconds: float
    answer: int


class Ended(Exception):
    """The process ended without an answer; `reason` is the limit that it met, or "death"."""

    def __init__(self, reason: Literal["memory", "time", "answer", "death"]) -> None:
        super().__init__(reason)
        self.reason = reason


def ask_apart(
    limits: Limits,
    while_waiting: Callable[[], object],
    function: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`function(*args, **kwargs)`, called in a process of its own.  Arguments and answer must be picklable.

    `while_waiting` is called several times a second; if it raises, the process is killed.  Raises the
    UserError that the function raises, and `Ended` if there is no answer within the limits."""
    with _place(while_waiting), _process(limits) as connection:
        connection.send((limits.answer, function, args, kwargs))
        deadline = time.monotonic() + limits.seconds
        try:
            while not connection.poll(POLL_SECONDS):
                while_waiting()
                if time.monotonic() > deadline:
                    raise Ended("time")
            kind, value = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own process wrote it
        except (EOFError, OSError) as error:
            raise Ended("death") from error
    if kind == "ended":
        raise Ended(value)
    if kind == "error":
        raise UserError(value)
    answer: T = value
    return answer


@contextmanager
def _place(while_waiting: Callable[[], object]) -> Iterator[None]:
    while not _places.acquire(timeout=POLL_SECONDS):
        while_waiting()
    try:
        yield
    finally:
        _places.release()


@contextmanager
def _process(limits: Limits) -> Iterator[Connection]:
    here, there = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(there.fileno()), str(limits.memory), str(int(limits.seconds))],
        cwd=ROOT,
        env=environment() | {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
        stdin=subprocess.PIPE,
        pass_fds=[there.fileno()],
        start_new_session=True,  # Ctrl-C in the terminal is for the process that asked.
    )
    there.close()
    try:
        yield here
    finally:
        process.kill()
        process.wait()
        here.close()
        if process.stdin is not None:
            process.stdin.close()


def _bound(memory: int, seconds: int) -> None:
    """Let the system refuse memory and end the process beyond the limits, where it can."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds + 1, seconds + 1))


def _end_with_asker() -> None:
    """Standard input closes when the process that asked is gone."""
    with suppress(OSError):
        sys.stdin.buffer.read()
    os._exit(1)


def _answer(connection: Connection) -> None:
    most, function, args, kwargs = connection.recv()
    reply: tuple[str, Any]
    try:
        reply = ("answer", function(*args, **kwargs))
        packed = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)
        if len(packed) > most:
            packed = pickle.dumps(("ended", "answer"))
    except BaseException as error:  # a panic in a library written in Rust is no Exception
        reply = ("ended", "memory") if memory_ran_out(error) else ("error", message_of(error, home()))
        del error
        packed = pickle.dumps(reply)
    connection.send_bytes(packed)


if __name__ == "__main__":
    _bound(int(sys.argv[2]), int(sys.argv[3]))
    threading.Thread(target=_end_with_asker, daemon=True).start()
    _answer(Connection(int(sys.argv[1])))
