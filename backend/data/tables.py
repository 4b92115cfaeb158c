"""Files of rows as columns: text with separators, JSON, Parquet, folders of the datasets library."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.reading.bounds import require_bytes
from backend.data.reading.delimited import read_delimited
from backend.data.reading.elsewhere import bounded
from backend.data.reading.foreign import foreign_content, foreign_suffix
from backend.data.reading.json_shapes import is_json, read_json
from backend.data.reading.parquet import read_parquet
from backend.data.reading.saved_folder import is_saved, read_saved
from backend.data.reading.table import WHOLE, How, Reading, Table
from backend.data.reading.text import text_of
from backend.data.reading.unpack import PACKED_SUFFIXES, content_of

__all__ = [
    "KINDS",
    "READERS",
    "UNPACKED",
    "How",
    "Reading",
    "Table",
    "check_file",
    "is_rows",
    "read_file",
    "read_table",
]

READERS = (".csv", ".tsv", ".jsonl", ".parquet")
"""The suffixes that a file in a folder of rows has."""
JSON = (".jsonl", ".json", ".ndjson")
TEXT = (".csv", ".tsv", ".txt", ".tab")
UNPACKED = (*READERS, ".json", ".ndjson", ".txt", ".tab")
"""The suffixes of files of rows that are not packed."""
KINDS = (*UNPACKED, *PACKED_SUFFIXES)
"""The suffixes of all files that are read."""
PARQUET_MAGIC = b"PAR1"
START = 512


def read_table(path: str | Path, how: How | None = None) -> Table:
    """The columns of one file, with unchanged cells.

    Raises UserError for a file that is missing, empty, of an unknown kind, too large or unreadable."""
    return bounded(Path(path).name, _only_table, path, how)


def check_file(path: str | Path) -> list[str]:
    """How a file of rows is read, in sentences; raises UserError as `read_table` does."""
    return bounded(Path(path).name, _notes, path)


def is_rows(path: Path) -> bool:
    """Whether a path is one of rows rather than a model: a file, or a folder of the datasets library."""
    return path.is_file() or is_saved(path)


def read_file(path: str | Path, how: How | None = None) -> Reading:
    """The tables of one file or folder, read in this process.  Raises UserError."""
    file = typed_path(str(path))
    if file.is_dir() and not is_saved(file):
        raise UserError(
            f"{file} is a folder. Give one file of rows ({_known()}), or a folder that save_to_disk wrote."
        )
    if not file.exists():
        raise UserError(f"There is no file {file}. Check the path.")
    if not file.is_dir() and not file.is_file():
        raise UserError(f"{file} is no file of rows but a device or a pipe. Give a file.")
    try:
        result = read_saved(file) if file.is_dir() else _read(file, how or How())
    except OSError as error:
        raise UserError(f"{file.name} cannot be read ({error.strerror or error}).") from error
    tables = {part: _strip_names(table, file.name) for part, table in result.tables.items()}
    for table in tables.values():
        if not table or not next(iter(table.values())):
            raise UserError(f"{file.name} has no rows. Give a file with a header and rows.")
    return replace(result, tables=tables)


def _only_table(path: str | Path, how: How | None) -> Table:
    tables = read_file(path, how).tables
    if WHOLE not in tables:
        raise UserError(f"{path} holds several splits ({', '.join(tables)}). Give the folder of one of them.")
    return tables[WHOLE]


def _notes(path: str | Path) -> list[str]:
    return read_file(path).notes


def _known() -> str:
    return ", ".join(KINDS)


def _read(file: Path, how: How) -> Reading:
    suffix = file.suffix.lower()
    if what := foreign_suffix(suffix):
        raise UserError(f"{file.name} is {what}. Known kinds: {_known()}.")
    if suffix not in KINDS:
        raise UserError(
            f"{file.name} has the suffix {file.suffix!r}, which is not a known kind. Give one of: {_known()}."
        )
    require_bytes(file.name, file.stat().st_size)
    with file.open("rb") as stream:
        start = stream.read(len(PARQUET_MAGIC))
    if not start:
        raise _empty(file.name)
    if suffix == ".parquet" or start == PARQUET_MAGIC:
        return _with_note(read_parquet(file, file.name), file.name, suffix != ".parquet" and "Parquet")
    content = content_of(file)
    inner = Path(content.name).suffix.lower()
    packed = content.packed and f"unpacked ({content.packed})"
    return _with_note(_read_content(content.raw, file.name, inner, how), file.name, packed)


def _read_content(raw: bytes, name: str, suffix: str, how: How) -> Reading:
    """The tables of unpacked bytes; those of an archive may have a name without a suffix."""
    if not raw:
        raise _empty(name)
    if what := foreign_content(raw[:START]) or foreign_suffix(suffix):
        raise UserError(f"{name} is {what}.")
    if raw.startswith(PARQUET_MAGIC):
        return read_parquet(raw, name)
    text = text_of(name, raw, how.encoding)
    if suffix in JSON or (suffix not in TEXT[:2] and is_json(text)):
        return read_json(text, suffix)
    return read_delimited(text, suffix, how)


def _with_note(result: Reading, name: str, read_as: str | bool | None) -> Reading:
    return replace(result, notes=[f"{name} is {read_as}.", *result.notes]) if read_as else result


def _empty(name: str) -> UserError:
    return UserError(f"{name} is empty. Give a file with a header and rows.")


def _strip_names(table: Mapping[Any, list[Any]], name: str) -> Table:
    names = [str(column).strip() for column in table]
    if len(set(names)) < len(names):
        raise UserError(f"{name} has two columns with the same name: {', '.join(names)}. Rename one.")
    return dict(zip(names, table.values(), strict=True))
