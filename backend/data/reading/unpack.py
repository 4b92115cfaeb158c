"""The bytes of a file, unpacked within bounds, without writing anything to the disk."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from backend.base.errors import UserError
from backend.data.reading.bounds import require_bytes
from backend.data.reading.foreign import foreign_archive

CHUNK = 1 << 20
MOST_MEMORY_OF_XZ = 1 << 28
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
PACKED = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # the first of a file, or the end of an empty one
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Content:
    """Unpacked bytes, the name of the file that they are of, and what they were packed with."""

    raw: bytes
    name: str
    packed: str | None = None


def packed_with(start: bytes) -> str | None:
    """What a file that starts with these bytes is packed with, None for a file that is not packed."""
    for first, kind in PACKED:
        if start.startswith(first) and (kind != "bzip2" or start[4:10] in BZIP2_BLOCKS):
            return kind
    return None


def content_of(file: Path) -> Content:
    """The unpacked bytes of a file.  What it is packed with is seen in its first bytes.

    Raises UserError for a damaged archive, one that does not hold exactly one file, and for too many
    bytes; OSError if the file cannot be read."""
    with file.open("rb") as stream:
        kind = packed_with(stream.read(16))
        stream.seek(0)
        inner = file.stem if file.suffix.lower() in PACKED_SUFFIXES else file.name
        try:
            if kind == "zip":
                return _of_zip(file.name, stream)
            return Content(_within_bounds(file.name, _chunks(stream, kind)), inner, kind)
        except DAMAGED as error:
            raise _damaged(file.name, str(kind), error) from error
        except OSError as error:
            if error.errno is not None or kind is None:
                raise
            raise _damaged(file.name, kind, error) from error  # gzip and bz2 say so of damaged data


def _damaged(name: str, kind: str, error: Exception) -> UserError:
    reason = str(error).strip() or "it ends too early"
    return UserError(f"{name} is not a readable {kind} archive ({reason}). Pack or download it again.")


def _within_bounds(name: str, chunks: Iterator[bytes]) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        require_bytes(name, len(content))
    return bytes(content)


def _chunks(stream: IO[bytes], kind: str | None) -> Iterator[bytes]:
    if kind == "xz":
        return _of_xz(stream)
    if kind == "gzip":
        return _read(gzip.GzipFile(fileobj=stream))
    return _read(bz2.BZ2File(stream) if kind == "bzip2" else stream)


def _read(stream: IO[bytes] | gzip.GzipFile | bz2.BZ2File) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _of_xz(stream: IO[bytes]) -> Iterator[bytes]:
    # lzma.open sets no bound on the memory that a file may ask for.
    packed = stream.read(CHUNK)
    while packed:
        decompressor = lzma.LZMADecompressor(memlimit=MOST_MEMORY_OF_XZ)
        while not decompressor.eof:
            yield decompressor.decompress(packed, CHUNK)
            packed = stream.read(CHUNK) if decompressor.needs_input and not decompressor.eof else b""
            if not packed and decompressor.needs_input and not decompressor.eof:
                raise EOFError("it ends too early")
        packed = decompressor.unused_data.lstrip(b"\0") or stream.read(CHUNK).lstrip(b"\0")


def _of_zip(name: str, stream: IO[bytes]) -> Content:
    """The only file of a zip archive; hidden files and what a Mac adds do not count."""
    with zipfile.ZipFile(stream) as archive:
        if what := foreign_archive(archive.namelist()):
            raise UserError(f"{name} is {what}.")
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member)]
        if len(members) != 1:
            names = ", ".join(PurePosixPath(member.filename).name for member in members[:5])
            raise UserError(
                f"{name} holds {len(members)} files{f' ({names})' if names else ''}; a packed table is one "
                "file. Unpack it and give the file of rows."
            )
        inner = PurePosixPath(members[0].filename).name
        with archive.open(members[0]) as unpacked:
            raw = _within_bounds(name, _read(unpacked))
    if packed_with(raw[:16]):
        raise UserError(f"{name} holds the archive {inner}. Unpack it and give the file of rows.")
    return Content(raw, inner, "zip")


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    return path.name.startswith(".") or "__MACOSX" in path.parts
