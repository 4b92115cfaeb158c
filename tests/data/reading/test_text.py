"""Encodings: found out from marks and bytes, or refused with the byte that cannot be read."""

import pytest

from backend.base.errors import UserError
from backend.data.reading import text as module
from backend.data.reading.text import text_of

LINES = "text,label\nle café “naïve” du coin,1\n"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a mark at the start"),
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("cp1252", "cp1252 (Western), as it is not UTF-8"),
    ],
)
def test_the_encoding_is_found_out_and_the_text_is_whole(encoding: str, said: str) -> None:
    text = text_of("a.csv", LINES.encode(encoding))
    assert text.said == said
    assert "".join(text.lines()) == LINES


def test_an_encoding_that_is_given_counts() -> None:
    raw = "очень хороший фильм\n".encode("cp1251")
    assert list(text_of("a.csv", raw, "cp1251").lines()) == ["очень хороший фильм\n"]
    assert list(text_of("a.csv", b"\xef\xbb\xbfa\n", "utf-8").lines()) == ["a\n"], "the mark is no letter"


@pytest.mark.parametrize(
    ("raw", "encoding", "message"),
    [
        (b"text,label\ncaf\x81,1\n", None, r"byte 14 \(0x81\) is not cp1252"),
        ("очень хороший фильм\n".encode("cp1251"), None, "does not look Western"),
        ("好看的电影\n".encode("gb18030"), None, "Set data.encoding"),
        ("caf\u00e9\n".encode() + b"caf\xe9\n", None, r"UTF-8 text at first, but byte 9 \(0xE9\)"),
        ("text,label\nsome text,1\n".encode("utf-16-le"), None, "Set data.encoding to utf-16-le"),
        ("text,label\nsome text,1\n".encode("utf-16-be"), None, "Set data.encoding to utf-16-be"),
        ("text".encode("utf-16")[:-1], None, "starts as UTF-16 does, but byte 8"),
        (b"caf\xe9", "utf-8", r"not utf-8 text: byte 3 \(0xE9\)"),
    ],
)
def test_what_cannot_be_read_is_named(raw: bytes, encoding: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        text_of("a.csv", raw, encoding)


def test_the_byte_is_named_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    raw = b"abc\xc3\xa9\xc3\xa9abcd\xff"
    assert module.first_invalid(raw, "utf-8") == 11
    assert module.first_invalid(b"abc\xc3xyz", "utf-8") == 3
    assert module.first_invalid(raw[:-1], "utf-8") is None


def test_a_line_without_end_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    with pytest.raises(UserError, match="line 2 has more than 100 characters"):
        list(text_of("a.csv", b"text\n" + b"x" * 101).lines())


@pytest.mark.parametrize(
    ("ends", "end"), [("a\nb\n", "\n"), ("a\r\nb\r\n", "\n"), ("a\rb\r", "\r"), ("a", "\n")]
)
def test_line_ends(ends: str, end: str) -> None:
    assert text_of("a.csv", ends.encode()).line_end == end
