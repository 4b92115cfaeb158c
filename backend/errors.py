"""Errors that are the user's to mend, and the signal that ends a cancelled run."""

import errno


class UserError(Exception):
    """What was got, what was expected and what to do, in one message fit for a page or a terminal."""


class Cancelled(Exception):
    """Raised inside the engine at the next batch after somebody asked the run to stop."""


def disk_is_full(error: BaseException) -> bool:
    """Whether `error` says that a disk is full; libraries that write weights raise types of their own."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    text = str(error)
    return any(sign in text for sign in ("No space left on device", "os error 28", "PytorchStreamWriter"))
