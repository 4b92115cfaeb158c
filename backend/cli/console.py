"""Runs the command line: errors for the user, and the exit status."""

import os
import sys
from collections.abc import Sequence

import typer

from backend.base.errors import UserError, disk_is_full
from backend.base.paths import cache_folder


def run(app: typer.Typer, args: Sequence[str] | None = None) -> None:
    """Run the given command; errors that the user can fix go to stderr without a traceback."""
    try:
        # Before the hub's library is imported: its downloads belong to the state folder too.
        os.environ.setdefault("HF_HOME", str(cache_folder() / "huggingface"))
        app(args=args, prog_name="python -m backend")
    except UserError as error:
        _exit_with_error(str(error))
    except OSError as error:
        if not disk_is_full(error):
            raise
        _exit_with_error(
            f"The disk is full ({error.filename or 'no file named'}). Free some space and try again."
        )


def say(message: str) -> None:
    """Print a message to stderr; stdout is for results."""
    print(message, file=sys.stderr, flush=True)


def _exit_with_error(message: str) -> None:
    say(f"Error: {message}")
    sys.exit(2)
