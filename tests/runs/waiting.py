"""Waiting for other threads and processes."""

import threading
import time
from collections.abc import Callable


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
