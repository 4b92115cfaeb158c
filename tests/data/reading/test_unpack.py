"""Packed files: unpacked in memory within bounds, or refused."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.base.errors import UserError
from backend.data.reading import bounds
from backend.data.reading.unpack import content_of

ROWS = b"text,label\n" + b"a text,1\n" * 1000


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("a.csv.gz", gzip.compress),
    "bzip2": ("a.csv.bz2", bz2.compress),
    "xz": ("a.csv.xz", lzma.compress),
    "zip": ("a.zip", lambda content: zipped(("folder/a.csv", content))),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_packed_is_seen_in_the_bytes(tmp_path: Path, kind: str) -> None:
    name, pack = PACKERS[kind]
    content = content_of(file(tmp_path, name, pack(ROWS)))
    assert (content.raw, content.name, content.packed) == (ROWS, "a.csv", kind)
    assert content_of(file(tmp_path, "b.csv", pack(ROWS))).raw == ROWS


def test_what_is_not_packed_stays_whatever_the_name_says(tmp_path: Path) -> None:
    content = content_of(file(tmp_path, "a.csv.gz", ROWS))
    assert (content.raw, content.name, content.packed) == (ROWS, "a.csv", None)
    assert content_of(file(tmp_path, "b.csv", b"BZh is a word\n")).raw == b"BZh is a word\n"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_parts_that_were_joined_are_all_read(tmp_path: Path, kind: str) -> None:
    name, pack = PACKERS[kind]
    assert content_of(file(tmp_path, name, pack(ROWS) + pack(b"more"))).raw == ROWS + b"more"
    assert content_of(file(tmp_path, f"empty{name}", pack(b""))).raw == b""


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_stops_at_the_bound(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, pack = PACKERS[kind]
    packed = pack(bytes(40 << 20))
    assert len(packed) < 100_000
    monkeypatch.setattr(bounds, "MOST_BYTES", 3 << 20)
    with pytest.raises(UserError, match=rf"{name} holds more than 3 MiB, the most that is read"):
        content_of(file(tmp_path, name, packed))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_archive_is_named(tmp_path: Path, kind: str) -> None:
    name, pack = PACKERS[kind]
    cut = pack(ROWS)[:-12]
    with pytest.raises(UserError, match=rf"{name} is not a readable {kind} archive"):
        content_of(file(tmp_path, name, cut))


def test_an_archive_holds_one_table(tmp_path: Path) -> None:
    hidden = (("__MACOSX/._a.csv", b"x"), (".DS_Store", b"x"), ("../../a.csv", ROWS))
    content = content_of(file(tmp_path, "a.zip", zipped(*hidden)))
    assert (content.raw, content.name) == (ROWS, "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"], "nothing is written to the disk"
    for files, message in (
        ((("a.csv", b""), ("b.csv", b"")), r"holds 2 files \(a.csv, b.csv\)"),
        ((), "holds 0 files"),
        ((("a.csv.gz", gzip.compress(ROWS)),), "holds the archive a.csv.gz"),
        ((("[Content_Types].xml", b""), ("xl/workbook.xml", b"")), "is a spreadsheet. Save its sheet as CSV"),
        ((("[Content_Types].xml", b""), ("word/document.xml", b"")), "is a document"),
        ((("model/data.pkl", b""), ("model/data/0", b"")), "a stranger's code"),
    ):
        with pytest.raises(UserError, match=message):
            content_of(file(tmp_path, "b.zip", zipped(*files)))
