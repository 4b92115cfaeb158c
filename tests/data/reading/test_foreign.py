"""What is no table is named, with what to do instead."""

import pytest

from backend.data.reading.foreign import foreign_archive, foreign_content, foreign_suffix


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\x80\x04\x95\x10\x00", "pickle"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"%PDF-1.7", "document"),
        (b"SQLite format 3\0", "SQLite"),
        (b"ARROW1\0\0", "Arrow"),
        (b"\n<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (bytes(257) + b"ustar", "Unpack it"),
    ],
)
def test_by_its_first_bytes(start: bytes, what: str) -> None:
    assert what in str(foreign_content(start))


@pytest.mark.parametrize("start", [b"text,label\n", b"\x80 euro,1\n", b"", b"<b>a film</b>,1\n"])
def test_a_table_is_none_of_them(start: bytes) -> None:
    assert foreign_content(start) is None


def test_by_its_suffix() -> None:
    assert "Save its sheet as CSV" in str(foreign_suffix(".XLSX"))
    assert "never read" in str(foreign_suffix(".pkl"))
    assert foreign_suffix(".csv") is None


def test_archives() -> None:
    assert "spreadsheet" in str(foreign_archive(["mimetype", "content.xml"]))
    assert "never read" in str(foreign_archive(["a.npy", "b.npy"]))
    assert foreign_archive(["a.csv"]) is None
