"""The text of a file: which encoding it is in, and its lines."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass

from backend.base.errors import UserError
from backend.data.reading.bounds import LONGEST_LINE

CHUNK = 1 << 20
MARKS = (  # those of UTF-32 start with those of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a mark at the start"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
WESTERN_SHARE = 0.3
"""A Western text has fewer bytes beyond ASCII than this; in other alphabets most letters are beyond it."""
SAY = "Set data.encoding to what it is in, such as cp1251, gb18030 or shift_jis, or save it as UTF-8."


@dataclass(frozen=True)
class Text:
    """The bytes of a text file and the encoding that they are all valid in; `said` names it for people."""

    name: str
    raw: bytes
    encoding: str
    said: str

    def open(self, newline: str = "") -> io.TextIOWrapper:
        """The text as a file; `newline` as for `open`."""
        return io.TextIOWrapper(io.BytesIO(self.raw), encoding=self.encoding, newline=newline)

    def lines(self, newline: str = "") -> Iterator[str]:
        """The lines with their ends: at line feeds and carriage returns, or at `newline` alone.

        Raises UserError for a line that is longer than any row."""
        text = self.open(newline)
        number = 0
        while line := text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise UserError(
                    f"{self.name}, line {number} has more than {LONGEST_LINE:,} characters, the most that "
                    "are read. If its line breaks were lost, save it again with one row a line."
                )
            yield line

    @property
    def line_end(self) -> str:
        """What ends a line: a line feed, or in files of old Macs a carriage return alone."""
        start = self.open().read(CHUNK)
        return "\r" if "\n" not in start and "\r" in start else "\n"


def text_of(name: str, raw: bytes, encoding: str | None = None) -> Text:
    """The text of a file: in `encoding`, or UTF-8, or what its mark says, or else cp1252.

    Raises UserError naming the first byte that is not of that encoding."""
    if encoding is not None:
        chosen = "utf-8-sig" if encoding == "utf-8" else encoding
        if (place := first_invalid(raw, chosen)) is not None:
            raise UserError(
                f"{name} is not {encoding} text: {_byte(raw, place)} cannot be read. Choose another "
                "encoding, or leave it empty to have it found out."
            )
        return Text(name, raw, chosen, encoding)
    for mark, codec, said in MARKS:
        if raw.startswith(mark):
            if (place := first_invalid(raw, codec)) is not None:
                raise UserError(
                    f"{name} starts as {said} does, but {_byte(raw, place)} cannot be read as that. It may "
                    "be damaged or cut off: save it again, as UTF-8."
                )
            return Text(name, raw, codec, said)
    if wide := _unmarked_utf16(raw[:CHUNK]):
        raise UserError(
            f"{name} looks like UTF-16 without a mark at its start. Set data.encoding to {wide}, "
            "or save it as UTF-8."
        )
    place = first_invalid(raw, "utf-8")
    if place is None:
        return Text(name, raw, "utf-8", "UTF-8")
    return _western(name, raw, place)


def _western(name: str, raw: bytes, place: int) -> Text:
    """The text as cp1252, if it can be that; it is not UTF-8 at `place`."""
    where = f"{_byte(raw, place)} is not valid UTF-8"
    if _some_utf8(raw[:place]):
        raise UserError(
            f"{name} is UTF-8 text at first, but {where}. Its end may be lost, or two files were joined: "
            "mend it, or set data.encoding if it is in another one."
        )
    outside = first_invalid(raw, "cp1252")
    if outside is not None:
        raise UserError(f"{name}: {where}, and {_byte(raw, outside)} is not cp1252 (Western) either. {SAY}")
    start = raw[max(0, place - CHUNK // 2) :][:CHUNK]
    beyond = len(start.translate(None, bytes(range(128))))
    if beyond > WESTERN_SHARE * len(start):
        raise UserError(
            f"{name}: {where}, and it does not look Western (cp1252) either: "
            f"{100 * beyond / len(start):.0f} % of its bytes are beyond ASCII. {SAY}"
        )
    return Text(name, raw, "cp1252", "cp1252 (Western), as it is not UTF-8")


def first_invalid(raw: bytes, encoding: str) -> int | None:
    """The place of the first byte that is not valid in the encoding; None if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with memoryview(raw) as view:
        for start in range(0, max(len(raw), 1), CHUNK):
            chunk = bytes(view[start : start + CHUNK])
            kept = decoder.getstate()[0]
            try:
                decoder.decode(chunk, final=start + CHUNK >= len(raw))
            except UnicodeError as error:
                ahead = len(kept) if isinstance(kept, bytes) else 0
                return max(0, start - ahead + getattr(error, "start", 0))
    return None


def _byte(raw: bytes, place: int) -> str:
    value = f" (0x{raw[place]:02X})" if place < len(raw) else ""
    return f"byte {place:,}{value}"


def _some_utf8(raw: bytes) -> bool:
    """Whether valid UTF-8 has any character beyond ASCII, which another encoding hardly gives by chance."""
    return not raw.isascii()


def _unmarked_utf16(start: bytes) -> str | None:
    """Text in the Latin alphabet has a zero in every second byte there."""
    pairs = len(start) // 2
    if pairs < 8:
        return None
    first, second = start[: 2 * pairs : 2].count(0) / pairs, start[1 : 2 * pairs : 2].count(0) / pairs
    if max(first, second) < 0.8 or min(first, second) > 0.05:
        return None
    return "utf-16-be" if first > second else "utf-16-le"
