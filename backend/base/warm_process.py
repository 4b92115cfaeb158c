"""A process that works beside the dashboard for people who wait, kept warm between questions.

The dashboard's own process never loads torch; what needs a parser or a model is asked of this one.
A question is a function of this program and its arguments; one is answered after another."""

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
    """The process, started at the first question; it ends by itself when nothing is asked for a while."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._asking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="interactive")
        self._open: set[Future[Any]] = set()

    @property
    def waiting(self) -> int:
        """How many questions are being answered or wait for it."""
        return len(self._open)

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args, **kwargs)`, called there.  Arguments and answer must be picklable.

        Raises the UserError that the function raises; one of its own if the answer takes too long
        (it is worked on all the same) or the process died."""
        answer = self.hand(function, *args, **kwargs)
        try:
            return answer.result(timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise UserError(
                f"This takes more than {PATIENCE_SECONDS / 60:.0f} minutes. It goes on in the background and "
                "what it makes is kept: try again in a while, or ask for less."
            ) from error

    def hand(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The same, for who does other things until it is answered, however long that takes."""
        answer: Future[T] = self._asking.submit(self._answer, (function, args, kwargs))
        self._open.add(answer)
        answer.add_done_callback(self._open.discard)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None

    def _answer(self, question: tuple[Any, ...]) -> Any:
        try:
            kind, told = self._exchange(question)
        except (EOFError, OSError):
            # It had ended because nothing was asked, or it died: once more with a new one.
            self.close()
            try:
                kind, told = self._exchange(question)
            except (EOFError, OSError) as error:
                self.close()
                raise UserError(
                    "The process that works beside the dashboard died twice, perhaps because memory ran out. "
                    "Close other programs, or choose a smaller model, and try again."
                ) from error
        if kind == "error":
            raise UserError(told)
        return told

    def _exchange(self, question: tuple[Any, ...]) -> tuple[str, Any]:
        line = self._ready()
        line.send(question)
        answer: tuple[str, Any] = line.recv()
        return answer

    def _ready(self) -> Connection:
        if self._process is None or self._process.poll() is not None or self._line is None:
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
            self._line = here
        return self._line


@cache
def warm_process() -> WarmProcess:
    """The one of this process."""
    made = WarmProcess()
    atexit.register(made.close)
    return made


def call(module: str, function: str, *args: Any) -> Any:
    """A function of a module that loads torch, reached by its name: whoever only asks imports none of it."""
    return getattr(importlib.import_module(module), function)(*args)


def _serve(line: Connection) -> None:
    """Answer until the dashboard is gone or has asked nothing for a while."""
    with suppress(EOFError, OSError):
        while line.poll(IDLE_SECONDS):
            function, args, kwargs = line.recv()
            try:
                reply = ("answer", function(*args, **kwargs))
            except BaseException as error:  # a panic in a library written in Rust is no Exception
                reply = ("error", message_of(error, home()))
            line.send(reply)


if __name__ == "__main__":
    threading.current_thread().name = "interactive"
    _serve(Connection(int(sys.argv[1])))
