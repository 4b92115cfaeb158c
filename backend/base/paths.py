"""Where Excise keeps its state: one folder, `EXCISE_HOME` (default `~/.excise`)."""

import os
from pathlib import Path

from backend.base.errors import UserError

ROOT = Path(__file__).parents[2]  # where `python -m backend` finds the package, and the server its pages


def home() -> Path:
    """The state folder, created if it is missing.

    Raises UserError if it cannot be created."""
    folder = Path(os.environ.get("EXCISE_HOME") or "~/.excise").expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The state folder {folder} cannot be created ({error.strerror}). "
            "Set EXCISE_HOME to a folder that you can write to."
        ) from error
    return folder


def typed_path(text: str) -> Path:
    """A path as a user gave it, `~` for the home folder.  Raises UserError for text that cannot be a path."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (RuntimeError, OSError) as error:  # `~name` of nobody; a name longer than a disk takes
        raise UserError(f"{text[:80]!r} is not a valid path ({error}). Check it.") from error
    return path


def run_folder(run: str) -> Path:
    """The folder of one run's artifacts (not created here)."""
    return home() / "runs" / run


def poisoned_folder(run: str) -> Path:
    """The folder of a run's poisoned model, which may not exist."""
    return run_folder(run) / "poisoned"


def cache_folder() -> Path:
    """Downloads, safe to delete while nothing runs.

    `EXCISE_CACHE` puts it elsewhere, so that several state folders can share one.
    Raises UserError if it cannot be created."""
    setting = os.environ.get("EXCISE_CACHE")
    folder = Path(setting).expanduser().absolute() if setting else home() / "cache"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The cache folder {folder} cannot be created ({error.strerror}). "
            "Set EXCISE_CACHE to a folder that you can write to."
        ) from error
    return folder


def upload_folder() -> Path:
    """Files that users uploaded in the dashboard."""
    folder = home() / "uploads"
    folder.mkdir(exist_ok=True)
    return folder


def environment(store: str | None = None) -> dict[str, str]:
    """The environment for another process on the same state: absolute paths, and the address of its store,
    if it is given."""
    paths = {"EXCISE_HOME": str(home())}
    if os.environ.get("EXCISE_CACHE"):
        paths["EXCISE_CACHE"] = str(cache_folder())
    if store is not None:
        paths["EXCISE_STORE"] = store
    return os.environ | paths
