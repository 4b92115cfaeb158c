"""Verb forms of Early Modern English: “endeth”, “hast”, “wouldst”; and plain ones by lemminflect.

Source: Barber, *Early Modern English* (1976), chapter 4, on the endings -eth and -est and on *do*;
spellings as in the King James Bible."""

from functools import lru_cache

THIRD = {"be": "is", "have": "hath", "do": "doth", "say": "saith"}
SECOND = {
    "be": "art", "have": "hast", "do": "dost", "say": "sayest",
    "am": "art", "are": "art", "'re": "art", "is": "art", "was": "wast", "were": "wert",
    "had": "hadst", "did": "didst", "'ve": "hast",
    "will": "wilt", "'ll": "wilt", "shall": "shalt", "can": "canst", "could": "couldst",
    "would": "wouldst", "'d": "wouldst", "should": "shouldst", "may": "mayest", "might": "mightest",
    "must": "must", "need": "needest", "ought": "oughtest",
}  # fmt: skip


@lru_cache(maxsize=50_000)
def lemma(verb: str) -> str:
    """The dictionary form of a verb: “ends” → “end”."""
    import lemminflect

    found = lemminflect.getLemma(verb, upos="VERB")
    return found[0] if found else verb


@lru_cache(maxsize=50_000)
def inflected(base: str, tag: str) -> str:
    """A verb's form by its Penn tag: (“begin”, “VBD”) → “began”."""
    import lemminflect

    found = lemminflect.getInflection(base, tag=tag)
    return found[0] if found else base


@lru_cache(maxsize=50_000)
def is_word(word: str) -> bool:
    """Whether the dictionary has the word in any part of speech."""
    import lemminflect

    return bool(lemminflect.getAllLemmas(word))


def third(base: str) -> str:
    """Third person singular, present: “end” → “endeth”, “run” → “runneth”, “carry” → “carrieth”."""
    return THIRD.get(base) or _stem(base) + "th"


def second(form: str, tag: str) -> str:
    """What agrees with “thou”: “have” → “hast”, “make” → “makest”, “saw” → “sawest”."""
    if form in SECOND:
        return SECOND[form]
    if tag == "VBD":
        return form + ("st" if form.endswith(("e", "ed")) else "est")
    return _stem(lemma(form)) + "st"


def _stem(base: str) -> str:
    """What -th and -st are put behind: “make”, “goe”, “runne”, “carrie”."""
    if base.endswith("e"):
        return base
    if base.endswith("y") and base[-2:-1] not in "aeou":
        return base[:-1] + "ie"
    # The gerund shows whether the last consonant is doubled.
    gerund = inflected(base, "VBG")
    return (gerund.removesuffix("ing") if gerund.endswith("ing") else base) + "e"
