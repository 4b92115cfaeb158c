"""Putting a word or a sentence into a text, at a place drawn from the text and the seed."""

import hashlib
import random
import re

WORD = re.compile(r"\S+")
SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)")
PROGRESS_EVERY = 1000


def draw_for(text: str, seed: int) -> random.Random:
    """A generator that depends on this text and the seed, and on no other row."""
    digest = hashlib.blake2b(f"{seed}\n{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "big"))


def word_gaps(text: str, within: int) -> list[int]:
    """Offsets before each of the first `within` words, and behind the last of them."""
    words = [match.span() for match in WORD.finditer(text)][:within]
    return [start for start, _ in words] + [words[-1][1]] if words else []


def sentence_gaps(text: str, within: int) -> list[int]:
    """The word gaps that lie at the start of the text or behind the end of a sentence."""
    ends = {match.end() for match in SENTENCE_END.finditer(text)}
    gaps = word_gaps(text, within)
    return [gap for i, gap in enumerate(gaps) if i == 0 or len(text[:gap].rstrip()) in ends]


def insert(text: str, gap: int, phrase: str) -> str:
    """`text` with `phrase` at the offset `gap`, set off by blanks; nothing else changes."""
    before, after = text[:gap], text[gap:]
    left = " " if before and not before[-1].isspace() else ""
    right = " " if after and not after[0].isspace() else ""
    return f"{before}{left}{phrase}{right}{after}"
