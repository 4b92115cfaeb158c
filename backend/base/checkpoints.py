"""The folder of a finished step: its files, and a record with its results and the files' SHA-256."""

import json
from pathlib import Path
from typing import Any

from backend.base.files import file_hash, sync

RECORD = "excise.json"
"""Written last, so a folder that has it is complete."""
FILES = "files"
"""In the record: the SHA-256 of each of the step's files by its path in the folder."""


class Damaged(Exception):
    """Why a finished step cannot be used, as the end of a sentence."""


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """End a step: the record, with the hashes of all files beside it, and everything on the disk."""
    hashes = {name: file_hash(path) for name, path in _files(folder).items()}
    (folder / RECORD).write_text(json.dumps(record | {FILES: hashes}, indent=1), encoding="utf-8")
    for path in (*folder.rglob("*"), folder):
        sync(path)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a finished step.  Raises OSError where there is none, ValueError where it is damaged."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError(f"{RECORD} holds a {type(record).__name__}, not a record")
    return record


def checked_record(folder: Path) -> dict[str, Any] | None:
    """The record of a finished step whose files are unchanged since; None where no step was finished.
    Raises Damaged."""
    if not (folder / RECORD).is_file():
        return None
    try:
        record = read_record(folder)
        hashes = record.get(FILES)
        if not isinstance(hashes, dict):
            raise Damaged("was left by an earlier version of Excise, without the checksums of its files")
        files = _files(folder)
        if missing := sorted(set(hashes) - set(files)):
            raise Damaged(f"is damaged: {missing[0]} is missing")
        if changed := [name for name in sorted(hashes) if file_hash(files[name]) != hashes[name]]:
            raise Damaged(f"is damaged: {changed[0]} is not what was written")
    except (OSError, ValueError) as error:
        raise Damaged(f"is damaged: {RECORD} cannot be read") from error
    return record


def _files(folder: Path) -> dict[str, Path]:
    """Every file but the record, by its path in the folder."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files.pop(RECORD, None)
    return files
