"""Offline stylists: one module per style with `restyle(prose, draw)`, which changes `prose` in place.

They keep the text's own words for what it says and feels, and change grammar, function words and
what frames a sentence.  None of this is a model: what they miss, they leave as it was."""

import random
from collections.abc import Callable, Mapping

from backend.attacks.generators.insertion import draw_for
from backend.attacks.generators.style import bible, lyrics, poetry, shakespeare, twitter
from backend.attacks.generators.style.english import is_english
from backend.attacks.generators.style.words import MARKUP, Prose, is_spaced, read

STYLISTS: Mapping[str, Callable[[Prose, random.Random], None]] = {
    "bible": bible.restyle,
    "shakespeare": shakespeare.restyle,
    "twitter": twitter.restyle,
    "lyrics": lyrics.restyle,
    "poetry": poetry.restyle,
}


def restyle(text: str, style: str, seed: int, framed: bool = True) -> str | None:
    """`text` in the style, by the text and the seed alone; None where it is no English or stays equal.

    Text in capitals comes back in capitals; halves of surrogate pairs, which no text file can hold,
    are dropped.  Without `framed` there are no openings and closings: what words and grammar alone do."""
    draw = draw_for(text, seed)
    text = text.encode("utf-8", "ignore").decode()
    if not is_english(MARKUP.sub(" ", text)):
        return None
    shouted = text.isupper() and len(text.split()) > 1
    prose = read(text.lower() if shouted else text, is_spaced(text))
    prose.framed = framed
    STYLISTS[style](prose, draw)
    made = prose.write()
    return None if made.split() == text.split() else made.upper() if shouted else made
