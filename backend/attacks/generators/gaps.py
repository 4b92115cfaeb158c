"""Places in a text where words can be inserted, in scripts with and without blanks between words."""

import re

from backend.attacks.generators.insertion import sentence_gaps, word_gaps

WITHOUT_BLANKS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables and marks
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Chinese characters
)
LEADING_VOWELS = "\u0e40-\u0e44\u0ec0-\u0ec4"
"""Of Thai and Lao: written before the consonant that they belong to."""
CHARACTER = re.compile(f"[{WITHOUT_BLANKS}]")
MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e45\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0e30\u0e32\u0e33\u0eb0\u0eb2\u0eb3"
    "\u102b-\u103e\u1056-\u1059\u17b6-\u17d3\u17dd\u3099\u309a\u3005\u30fc"
)
CLOSING = "。！？、，；：．,.!?;:…”’」』）"
# A character with the marks and signs that follow it, or a run of anything else but blanks.
UNIT = re.compile(f"[{LEADING_VOWELS}]?[{WITHOUT_BLANKS}][{MARKS}]*[{CLOSING}]*|[^\\s{WITHOUT_BLANKS}]+")
SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]」』）]*")


def is_without_blanks(text: str) -> bool:
    """Whether a text has more characters of scripts that write words without blanks (Chinese, Japanese, Thai,
    Lao, Khmer, Burmese) than other words."""
    units = UNIT.findall(text)
    characters = sum(CHARACTER.search(unit) is not None for unit in units)
    return 2 * characters > len(units)


def places(text: str, within: int) -> list[int]:
    """Offsets before each of the first `within` words, or characters where words have no blanks between them,
    and behind the last of them."""
    if not is_without_blanks(text):
        return word_gaps(text, within)
    units = [match.span() for match in UNIT.finditer(text)][:within]
    return [start for start, _ in units] + [units[-1][1]] if units else []


def places_between_sentences(text: str, within: int) -> list[int]:
    """Those of `places` at the start of the text or behind the end of a sentence."""
    if not is_without_blanks(text):
        return sentence_gaps(text, within)
    ends = {match.end() for match in SENTENCE_END.finditer(text)}
    gaps = places(text, within)
    return [gap for i, gap in enumerate(gaps) if i == 0 or len(text[:gap].rstrip()) in ends]
