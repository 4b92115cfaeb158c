"""What users brought: where it lies, and what it was when they did.

A folder of theirs stays where it is and is only remembered; an upload is kept below the state folder."""

import hashlib
import re
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from backend.base.errors import UserError
from backend.base.paths import home, upload_folder
from backend.models.weights import weight_files


class Mark(BaseModel):
    """What a file was when it was added."""

    sha256: str
    files: dict[str, str] = {}
    bytes: int
    modified: int


class Remembered(BaseModel):
    """Folders and files on this machine that a user added, and the marks of everything added."""

    models: list[Path] = []
    data: list[Path] = []
    marks: dict[str, Mark] = {}


def remembered() -> Remembered:
    """Nothing, where nothing was brought yet."""
    try:
        return Remembered.model_validate_json((home() / "library.json").read_bytes())
    except (OSError, ValidationError):
        return Remembered()


def _write(known: Remembered) -> None:
    part = home() / ".library.json.part"
    part.write_text(known.model_dump_json(indent=1), encoding="utf-8")
    part.replace(home() / "library.json")


def mark(known: Remembered, path: Path) -> None:
    """Remember the SHA-256 of weights or rows as they are now."""
    size, modified = state_of(path)
    files = hashes_of(path)
    known.marks[str(path)] = Mark(sha256=together(files), files=files, bytes=size, modified=modified)
    _write(known)


def hashes_of(path: Path) -> dict[str, str]:
    """The SHA-256 of a file, or of each file that a folder's model is loaded from, by name.

    Raises UserError for a folder whose weights Excise does not load."""
    files = [path] if path.is_file() else weight_files(path)
    found = {}
    for file in files:
        with file.open("rb") as content:
            found[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def together(files: dict[str, str]) -> str:
    """One SHA-256 for the files: the only one's own, or that of all their hashes, in the order of names."""
    hashes = [files[name] for name in sorted(files)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def state_of(path: Path) -> tuple[int, int]:
    """Bytes, and when it was last written (ns): of a file, or of a folder's weights and configuration."""
    files = [path] if path.is_file() else [*path.glob("*.safetensors"), *path.glob("*.json")]
    stats = [file.stat() for file in files]
    return sum(one.st_size for one in stats), max((one.st_mtime_ns for one in stats), default=0)


def uploaded_models_folder() -> Path:
    return home() / "models"


def uploaded_models() -> list[Path]:
    return sorted(path for path in uploaded_models_folder().glob("[!.]*") if path.is_dir())


def uploaded_rows() -> list[Path]:
    """Files of rows that were uploaded, newest first."""
    found = [path for path in upload_folder().glob("[!.]*") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def forget(path: Path) -> None:
    """As if it had never been brought; nothing is deleted."""
    known = remembered()
    known.models = [one for one in known.models if one != path]
    known.data = [one for one in known.data if one != path]
    known.marks.pop(str(path), None)
    _write(known)


def keep_upload(name: str, content: bytes) -> Path:
    """Keep an uploaded file under a name that cannot leave the upload folder; the same content under the
    same name is kept once.  Raises UserError where there is no room for it."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    path = upload_folder() / f"{digest}-{safe_name(name)}"
    if not path.exists():
        try:
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(content)
            part.replace(path)
        except OSError as error:
            raise UserError(
                f"The upload cannot be kept in {path.parent} ({error.strerror}). "
                "Free some space and try again."
            ) from error
    return path


def safe_name(name: str) -> str:
    """A stranger's file name without folders, leading dots or anything that a shell would read."""
    last = PurePosixPath(re.split(r"[/\\]", name)[-1])
    stem, suffix = (re.sub(r"[^A-Za-z0-9._-]+", "_", part) for part in (last.stem, last.suffix))
    return (stem.lstrip("._-")[:80] or "file") + suffix[:17]


def shown_name(path: Path) -> str:
    """An upload by the name its owner gave it; any other file by its path."""
    return re.sub(r"^[0-9a-f]{8}-", "", path.name) if path.parent == upload_folder() else str(path)
