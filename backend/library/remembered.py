"""What users added: its path, and its hashes at that time.

A user's folder stays where it is and only its path is stored; an upload is kept in the state folder."""

import hashlib
import re
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from backend.base.errors import UserError
from backend.base.files import file_hash, joint_hash
from backend.base.paths import home, upload_folder
from backend.data.reading.saved_folder import arrow_files, is_saved
from backend.models.weights import weight_files


class Mark(BaseModel):
    """The state of a model or file when it was added."""

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
    """What users added; empty if there is nothing yet."""
    try:
        return Remembered.model_validate_json((home() / "library.json").read_bytes())
    except (OSError, ValidationError):
        return Remembered()


def _write(known: Remembered) -> None:
    part = home() / ".library.json.part"
    part.write_text(known.model_dump_json(indent=1), encoding="utf-8")
    part.replace(home() / "library.json")


def mark(known: Remembered, path: Path) -> None:
    """Store the SHA-256 of weights or rows as they are now."""
    size, modified = state_of(path)
    files = hashes_of(path)
    known.marks[str(path)] = Mark(sha256=joint_hash(files), files=files, bytes=size, modified=modified)
    _write(known)


def hashes_of(path: Path) -> dict[str, str]:
    """The SHA-256 of a file, or of each file that a folder's model or rows are loaded from, by name.

    Raises UserError for a folder whose weights Excise does not load."""
    if is_saved(path):
        files = {str(file.relative_to(path)): file for file in arrow_files(path)}
    else:
        files = {file.name: file for file in ([path] if path.is_file() else weight_files(path))}
    return {name: file_hash(file) for name, file in files.items()}


def state_of(path: Path) -> tuple[int, int]:
    """Bytes and time of the last change (ns) of a file, or of a folder's weights, configuration and rows."""
    files = [path] if path.is_file() else [*path.glob("*.safetensors"), *path.glob("*.json")]
    files += arrow_files(path) if is_saved(path) else []
    stats = [file.stat() for file in files]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def uploaded_models_folder() -> Path:
    return home() / "models"


def uploaded_models() -> list[Path]:
    return sorted(path for path in uploaded_models_folder().glob("[!.]*") if path.is_dir())


def uploaded_rows() -> list[Path]:
    """Files of rows that were uploaded, newest first."""
    paths = [path for path in upload_folder().glob("[!.]*") if path.is_file()]
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def forget(path: Path) -> None:
    """Remove the path from the library; no file is deleted."""
    known = remembered()
    known.models = [other for other in known.models if other != path]
    known.data = [other for other in known.data if other != path]
    known.marks.pop(str(path), None)
    _write(known)


def keep_upload(name: str, content: bytes) -> Path:
    """Store an uploaded file under a safe name in the upload folder; the same content under the same name is
    stored once.  Raises UserError where there is no room for it."""
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
    """An uploaded file's name without folders, leading dots or characters special to a shell."""
    last = PurePosixPath(re.split(r"[/\\]", name)[-1])
    stem, suffix = (re.sub(r"[^A-Za-z0-9._-]+", "_", part) for part in (last.stem, last.suffix))
    return (stem.lstrip("._-")[:80] or "file") + suffix[:17]


def shown_name(path: Path) -> str:
    """The original name of an upload; the path of any other file."""
    return re.sub(r"^[0-9a-f]{8}-", "", path.name) if path.parent == upload_folder() else str(path)
