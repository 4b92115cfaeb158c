"""Files that users bring: kept in the upload folder, under names that cannot leave it."""

import hashlib
import re
from pathlib import Path

import streamlit as st

from backend.errors import UserError
from backend.home import upload_folder

KINDS = ["csv", "tsv", "jsonl", "parquet"]


def file_field(label: str, key: str, help_text: str | None = None, value: str = "") -> str:
    """The path of a file: just uploaded, uploaded earlier, or typed; empty if there is none."""
    uploaded = st.file_uploader(label, KINDS, key=f"{key}-upload", help=help_text)
    fresh = save(uploaded.name, uploaded.getvalue()) if uploaded is not None else None
    if fresh is not None:
        return str(fresh)
    known = [str(path) for path in uploads()]
    options = known if not value or value in known else [value, *known]
    chosen = st.selectbox(
        f"{label}: uploaded earlier, or a path on this machine",
        options,
        index=options.index(value) if value else None,
        format_func=_shown,
        key=f"{key}-path",
        accept_new_options=True,
        placeholder="Choose, or type a path and press Enter",
        label_visibility="collapsed",
    )
    return (chosen or "").strip()


def save(name: str, content: bytes) -> Path:
    """Keep an uploaded file; the same content under the same name is kept once."""
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
    last = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip("._-")
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:80]}{dot}{suffix[:16]}" if stem else (clean[:80] or "file")


def uploads() -> list[Path]:
    """Files kept, newest first."""
    found = [path for path in upload_folder().iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _shown(path: str) -> str:
    """An upload by the name its owner gave it; any other file by its path."""
    if Path(path).parent == upload_folder():
        return re.sub(r"^[0-9a-f]{8}-", "", Path(path).name)
    return path
