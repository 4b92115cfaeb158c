"""Tokens and inserted words, put in a new order and spelled out in the style of the text."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from spacy.tokens import Token

# A word of the text, which knows how it was written and what stood beside it, or an inserted one.
Piece: TypeAlias = Union["Token", str]

EDGE_PUNCTUATION = {",", ";", ":", "-", "--", "---", "–", "—", "...", "…", ".", "!", "?", "/", "*"}
JOINED = re.compile(r"n't|'(?:s|re|ve|ll|d|m)|[,.;:!?…)\]%]|'", re.IGNORECASE)
PAIRS = {"-lrb-": "-rrb-", "(": ")", "[": "]", "``": "''", "“": "”", "‘": "’"}
VOWEL_SOUND = re.compile(
    r"(?!uni|use|usu|eu|one\b|once|ut[ie])[aeiou]|hon(?:est|or|our)|hour|heir|\d*8", re.IGNORECASE
)


def written(piece: Piece) -> str:
    return piece if isinstance(piece, str) else piece.text


def tidy(pieces: Sequence[Piece]) -> list[Piece]:
    """Without stray punctuation at the edges, doubled commas and brackets that lost their partner."""
    kept = _paired(list(pieces))
    while kept and written(kept[0]) in EDGE_PUNCTUATION:
        kept.pop(0)
    while kept and written(kept[-1]) in EDGE_PUNCTUATION:
        kept.pop()
    return [
        piece
        for i, piece in enumerate(kept)
        if not (written(piece) in (",", ";") and written(kept[i + 1]) in EDGE_PUNCTUATION)
    ]


def _paired(pieces: list[Piece]) -> list[Piece]:
    # The apostrophe of "the actors ' eyes" closes no quotation.
    texts = [p.lower() if isinstance(p, str) else "" if p.tag_ == "POS" else p.lower_ for p in pieces]
    lost: set[str] = set()
    for opening, closing in PAIRS.items():
        if texts.count(opening) != texts.count(closing):
            lost |= {opening, closing} - ({"’"} if closing == "’" else set())
    lost |= {mark for mark in ('"', "`", "'") if texts.count(mark) % 2}
    if "`" in texts and texts.count("`") == texts.count("'"):
        lost -= {"`", "'"}
    return [piece for piece, text in zip(pieces, texts, strict=True) if text not in lost]


def spell(pieces: Sequence[Piece], tokenised: bool) -> str:
    """The words as a text: blanks round all of them, or as English is usually set."""
    if tokenised:
        return " ".join(_articles(pieces))
    parts: list[str] = []
    before: Piece | None = None
    for piece, text in zip(pieces, _articles(pieces), strict=True):
        if parts and not _touches(before, piece):
            parts.append(" ")
        parts.append(text)
        before = piece
    return "".join(parts)


def _touches(before: Piece | None, piece: Piece) -> bool:
    if not isinstance(before, str | None) and not isinstance(piece, str) and piece.i == before.i + 1:
        return not before.whitespace_
    if not isinstance(piece, str) and (piece.dep_ == "case" or piece.lower_ == "n't"):
        return True
    return bool(JOINED.fullmatch(written(piece)))


def _articles(pieces: Sequence[Piece]) -> list[str]:
    """The words; “a” and “an” are fitted where another word than before follows."""
    texts = [written(piece) for piece in pieces]
    for i, text in enumerate(texts[:-1]):
        piece, after = pieces[i], pieces[i + 1]
        as_before = not isinstance(piece, str) and not isinstance(after, str) and after.i == piece.i + 1
        if text.lower() in ("a", "an") and not as_before:
            article = "an" if VOWEL_SOUND.match(texts[i + 1]) else "a"
            texts[i] = article.capitalize() if text[0].isupper() else article
    return texts


def lower_first(pieces: Sequence[Piece]) -> list[Piece]:
    """The same, where what began the sentence does so no longer; names and “I” keep their capital."""
    return [_lowered(piece) if _began(piece) else piece for piece in pieces]


def _began(piece: Piece) -> bool:
    if isinstance(piece, str) or not piece.is_sent_start:
        return False
    return piece.pos_ != "PROPN" and piece.lower_ != "i" and (piece.is_title or piece.text == "A")


def _lowered(piece: Piece) -> str:
    return written(piece)[0].lower() + written(piece)[1:]
