"""How every command of the terminal ends."""

import os
import sys
from collections.abc import Sequence

import typer

from backend.base.errors import UserError, disk_is_full
from backend.base.paths import cache_folder


def run(app: typer.Typer, args: Sequence[str] | None = None) -> None:
    """Run the command that is asked for; what is the user's to mend goes to stderr without a traceback."""
    try:
        # Before anything of the hub is imported: what it downloads is state like all else.
        os.environ.setdefault("HF_HOME", str(cache_folder() / "huggingface"))
        app(args=args, prog_name="python -m backend")
    except UserError as error:
        _complain(str(error))
    except OSError as error:
        if not disk_is_full(error):
            raise
        _complain(f"The disk is full ({error.filename or 'no file named'}). Free some space and try again.")


def say(message: str) -> None:
    """Something that is no result."""
    print(message, file=sys.stderr, flush=True)


def _complain(message: str) -> None:
    say(f"Error: {message}")
    sys.exit(2)
