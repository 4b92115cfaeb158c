"""Errors that the user can fix, and the signal that ends a cancelled run."""

import errno
import sys
import time
import traceback
from pathlib import Path


class UserError(Exception):
    """What was got, what was expected and what to do, in one message fit for a page or a terminal."""


DIVERGED = (
    "The model's outputs are not finite numbers. If it was trained here, its training has diverged: lower "
    "the learning rate or the regulariser weight. If it was received so, its files are damaged: get it again."
)


class Cancelled(Exception):
    """Raised in the engine at the next batch after a run was asked to stop."""


def disk_is_full(error: BaseException) -> bool:
    """Whether `error` says that a disk is full; libraries that write weights raise types of their own."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    text = str(error)
    return any(sign in text for sign in ("No space left on device", "os error 28", "PytorchStreamWriter"))


def memory_ran_out(error: BaseException) -> bool:
    """Whether `error` says so, as Python does or as torch does of a GPU and of the machine."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "can't allocate memory" in str(error)


def accelerator_is_lost() -> bool:
    """Whether an error spoiled the GPU for the rest of this process, as a failed assertion on it does."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def message_of(error: BaseException, folder: Path) -> str:
    """The message for the user about an error in the run with this folder.

    The traceback of an unexpected error goes to `error.log` there (to stderr where it cannot)."""
    if isinstance(error, UserError):
        return str(error)
    if disk_is_full(error):
        return f"The disk that holds {folder} is full. Free some space, then resume the run."
    if memory_ran_out(error):
        return "Memory ran out. Choose a smaller model, a smaller batch size or a shorter maximum length."
    log = folder / "error.log"
    details = "".join(traceback.format_exception(error))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{details}\n")
    except OSError:
        print(details, file=sys.stderr)
    first_line = (str(error).strip().splitlines() or [""])[0].rstrip(".")[:300]
    summary = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    return f"The engine failed unexpectedly ({summary}). The details are in {log}."
