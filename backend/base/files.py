"""Files: their hashes, links to them, and syncing them to disk."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from backend.base.errors import UserError


def file_hash(path: Path) -> str:
    """SHA-256 of the file's contents.  Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joint_hash(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for files whose own are given by name: that of a single file, or that of all hashes one
    after another, sorted by name."""
    ordered = [hashes[name] for name in sorted(hashes)]
    return ordered[0] if len(ordered) == 1 else hashlib.sha256("".join(ordered).encode()).hexdigest()


def folder_hashes(folder: Path | None, pattern: str = "*") -> list[str]:
    """SHA-256 of each file of a folder that matches; none where there is no folder."""
    if folder is None:
        return []
    return [_cached_hash(path) for path in sorted(folder.glob(pattern)) if path.is_file()]


def hashes_at(path: Path) -> list[str]:
    """SHA-256 of a file, or of each file in a folder and of the Arrow files in folders within; none where
    there is neither.  Raises UserError for one that cannot be read."""
    try:
        if path.is_file():
            return [_cached_hash(path)]
        return [*folder_hashes(path), *folder_hashes(path, "*/*.arrow")]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def _cached_hash(path: Path) -> str:
    state = path.stat()
    return _hash(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1000)
def _hash(path: Path, changed: int, size: int) -> str:
    return file_hash(path)


def folder_state(folder: Path) -> str:
    """Names, sizes and times of the files in `folder`, as text that changes when a file does."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{folder} {stats}"


def version_of(name: str) -> str:
    """Of an installed library; empty where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def link(source: Path, to: Path, *without: str) -> None:
    """A folder's files hard-linked into another, except for the names in `without`; copied where the file
    system has no links."""
    ignored = shutil.ignore_patterns(*without)
    shutil.rmtree(to, ignore_errors=True)
    try:
        shutil.copytree(source, to, copy_function=os.link, ignore=ignored)
    except shutil.Error:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(source, to, ignore=ignored)


def sync(path: Path) -> None:
    """Wait until a file or folder is written to disk.  Raises OSError, but not where the file system cannot
    sync a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(handle)
