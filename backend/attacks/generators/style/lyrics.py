"""Song lyrics: sung contractions, calls to a listener, echoes of the line's own last words.

Simpler than the Bible and Shakespeare: no grammar is rebuilt."""

import random

from backend.attacks.generators.style.frames import close, open_with, stands_alone
from backend.attacks.generators.style.lexicon import bag, swap, untouched
from backend.attacks.generators.style.words import Prose, Word

WORDS = {
    "because": "'cause", "of the": "o' the|of the",
    "going to": "gonna", "want to": "wanna", "wants to": "wanna", "got to": "gotta",
    "have to": "gotta", "has to": "gotta", "them": "'em", "and/CC": "and|'n'", "you": "you|ya",
    "your": "your|yo'", "until": "'til", "out of": "outta", "kind of": "kinda", "sort of": "sorta",
    "of/IN": "of|o'", "about": "'bout", "around": "'round", "very/RB": "real", "extremely": "real",
    "incredibly": "oh so",
    "something": "somethin'", "nothing": "nothin'", "people": "people|folks", "just": "just|only",
    "this": "this|this here", "the world": "this whole wide world", "old": "ol'", "little": "little|li'l",
    "through": "through|thru", "movie": "picture show|movie", "film": "picture show|film",
    "movies": "picture shows", "kids": "children|kids", "guy": "boy|man", "guys": "boys",
    "perhaps": "maybe", "trying to": "tryin' to", "suppose": "guess", "is n't": "ain't",
    "are n't": "ain't", "has n't": "ain't", "am not": "ain't", "is not": "ain't", "are not": "ain't",
    "before/IN": "'fore", "always": "always|forever",
}  # fmt: skip
OPENINGS = bag(
    "oh ,|oh oh ,|yeah ,|hey ,|oh baby ,|baby ,|well ,|la la la ,|ooh ,|and i said|and i know"
    "|and they say|hey , i said|uh huh ,|mmm ,|hey now ,|listen , baby ,|come on ,|and oh ,|oh yeah ,"
    "|sing it :|oh don't you know|oh lord ,|hey hey ,|yeah yeah ,|na na na ,|whoa ,|oh no no ,"
)
CLOSINGS = bag(
    ", oh oh|, yeah|, baby|, yeah yeah|, hey|, la la la|, you know|, oh my|, ooh"
    "|, uh huh|, na na na|, oh yeah|, don't you know|, whoa oh|, hey hey|, oh baby|, mmm"
    "|, come on|, one more time"
)


def restyle(prose: Prose, draw: random.Random) -> None:
    """Every sentence as a line to be sung."""
    for number, sentence in enumerate(prose.sentences):
        swap(sentence, WORDS, draw)
        for word in sentence:
            _drop_g(word)
        if not stands_alone(prose, number):
            continue
        opened = draw.random() < 0.65
        if opened:
            open_with(sentence, draw.choice(OPENINGS), prose)
        if not opened or draw.random() < 0.4:
            if draw.random() < 0.4:
                _echo(sentence, prose)
            close(sentence, draw.choice(CLOSINGS), prose)


def _drop_g(word: Word) -> None:
    """“walking” → “walkin'”, in verbs alone."""
    if word.tag == "VBG" and untouched(word) and word.lower.endswith("ing") and len(word.lower) > 5:
        word.become(word.lower[:-1] + "'")


def _echo(sentence: list[Word], prose: Prose) -> None:
    """Sing the last two words again, where they are plain words: “…, no fizz, no fizz”."""
    words = [word for word in sentence if word.text and word.text[0].isalnum()]
    quoted = sentence[-1].text in ("''", "'", '"', "”")
    sung = all(word.text.isalpha() and word.tag.startswith(("DT", "JJ", "NN", "PRP$")) for word in words[-2:])
    if len(words) > 3 and sung and not quoted:
        close(sentence, f", {words[-2].text} {words[-1].text}", prose)
