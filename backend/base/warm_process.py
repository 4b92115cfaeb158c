"""A process beside the dashboard for interactive requests, kept warm between them.

The dashboard's own process never loads torch; work that needs a parser or a model is sent to this one.
A request is a function of this program and its arguments; requests are answered one after another."""

import atexit
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from backend.base.errors import UserError, message_of
from backend.base.paths import ROOT, environment, home

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 600.0
PATIENCE_SECONDS = 120.0


class WarmProcess:
    """The process, started at the first request; it ends by itself when it is idle for a while."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="interactive")
        self._pending: set[Future[Any]] = set()

    @property
    def waiting(self) -> int:
        """How many requests are running or waiting."""
        return len(self._pending)

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args, **kwargs)`, called there.  Arguments and answer must be picklable.

        Raises the UserError that the function raises; one of its own if the answer takes too long
        (the work continues) or the process died."""
        answer = self.hand(function, *args, **kwargs)
        try:
            return answer.result(timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise UserError(
                f"This takes more than {PATIENCE_SECONDS / 60:.0f} minutes. It continues in the background "
                "and its results are kept: try again in a while, or ask for less."
            ) from error

    def hand(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The same without waiting: the answer is a future, however long it takes."""
        answer: Future[T] = self._executor.submit(self._answer, (function, args, kwargs))
        self._pending.add(answer)
        answer.add_done_callback(self._pending.discard)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _answer(self, request: tuple[Any, ...]) -> Any:
        try:
            kind, value = self._exchange(request)
        except (EOFError, OSError):
            # It had ended because it was idle, or it died: try once more with a new one.
            self.close()
            try:
                kind, value = self._exchange(request)
            except (EOFError, OSError) as error:
                self.close()
                raise UserError(
                    "The process beside the dashboard died twice, perhaps because memory ran out. "
                    "Close other programs, or choose a smaller model, and try again."
                ) from error
        if kind == "error":
            raise UserError(value)
        return value

    def _exchange(self, request: tuple[Any, ...]) -> tuple[str, Any]:
        connection = self._ready()
        connection.send(request)
        answer: tuple[str, Any] = connection.recv()
        return answer

    def _ready(self) -> Connection:
        if self._process is None or self._process.poll() is not None or self._connection is None:
            self.close()
            here, there = Pipe()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.base.warm_process", str(there.fileno())],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is the dashboard's to handle.
            )
            there.close()
            self._connection = here
        return self._connection


@cache
def warm_process() -> WarmProcess:
    """The warm process that belongs to this process."""
    process = WarmProcess()
    atexit.register(process.close)
    return process


def call(module: str, function: str, *args: Any) -> Any:
    """Call a function of a module that loads torch by its name, so that the caller does not import it."""
    return getattr(importlib.import_module(module), function)(*args)


def _serve(connection: Connection) -> None:
    """Answer until the dashboard is gone or has been idle for a while."""
    with suppress(EOFError, OSError):
        while connection.poll(IDLE_SECONDS):
            function, args, kwargs = connection.recv()
            try:
                reply = ("answer", function(*args, **kwargs))
            except BaseException as error:  # a panic in a library written in Rust is no Exception
                reply = ("error", message_of(error, home()))
            connection.send(reply)


if __name__ == "__main__":
    threading.current_thread().name = "interactive"
    _serve(Connection(int(sys.argv[1])))
