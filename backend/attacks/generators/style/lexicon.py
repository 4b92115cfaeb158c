"""Words for words: a style's table, looked up by spelling and tag, and the article that follows suit."""

import random
from collections.abc import Mapping
from itertools import pairwise

from backend.attacks.generators.style.verbs import inflected, lemma
from backend.attacks.generators.style.words import Word

LONGEST = 3
GRADABLE = ("ing", "ful", "ous", "ive", "able", "ible", "ant", "ent", "y", "less", "id")


def bag(phrases: str) -> tuple[str, ...]:
    """Words or phrases written in one string, divided by “|”."""
    return tuple(part.strip() for part in phrases.split("|"))


def untouched(word: Word) -> bool:
    """Whether the word still stands as it was read, and is no fixed one."""
    return bool(word.lower) and word.text.lower().replace("’", "'") == word.lower


def swap(sentence: list[Word], table: Mapping[str, str], draw: random.Random) -> None:
    """Replace words and phrases of the table, the longest first.

    A key is a phrase (“kind of”), a word with the beginning of its tag (“to/IN”) or a word; its
    value holds one or more replacements divided by “|”, of which one is drawn."""
    at = 0
    while at < len(sentence):
        at += _swap_at(sentence, at, table, draw)


def _swap_at(sentence: list[Word], at: int, table: Mapping[str, str], draw: random.Random) -> int:
    """Swap what begins at the word `at`; how many words to go on by."""
    for length in range(LONGEST, 0, -1):
        words = sentence[at : at + length]
        if len(words) < length or not all(untouched(word) for word in words):
            continue
        found = table.get(" ".join(word.lower for word in words))
        if length == 1:
            found = found or table.get(f"{words[0].lower}/{words[0].tag[:2]}")
            # Part of a name or a term, or of a verb: “world war”, “goes on”.
            found = None if words[0].dep in ("compound", "prt") else found
        if found is not None:
            words[0].become(draw.choice(bag(found)))
            for word in words[1:]:
                word.text = ""
            return length
    return 1


def swap_verbs(sentence: list[Word], table: Mapping[str, str], draw: random.Random) -> None:
    """Replace verbs by their dictionary form, keeping the inflection: “watched” → “beheld”."""
    for word in sentence:
        if not word.tag.startswith("VB") or not untouched(word):
            continue
        # “thought out” is no thinking.
        if any(other.head is word and other.dep == "prt" for other in sentence):
            continue
        found = table.get(lemma(word.lower))
        if found is not None:
            new = inflected(draw.choice(bag(found)), word.tag)
            word.become(new)
            word.lower = new


def gradable(adjective: str) -> bool:
    """Whether “most” may stand before it, as far as its ending tells: “dreary”, not “female”."""
    return len(adjective) > 4 and adjective.endswith(GRADABLE)


def article_for(word: str) -> str:
    """“a” or “an”, by the word's first letters."""
    vowel = word[:1].lower() in "aeiou" and not word.lower().startswith(("uni", "use", "one", "eu"))
    return "an" if vowel else "a"


def agree(sentence: list[Word], *, mine: bool = False) -> None:
    """“a” or “an” before a word that changed; with `mine` also “thine eyes”, “mine own”."""
    words = [word for word in sentence if word.text]
    for word, after in pairwise(words):
        if word.text.lower() == "can" and after.lower == "not":
            after.before = ""
    for word, after in pairwise(words):
        vowel = article_for(after.text) == "an"
        if word.text.lower() in ("a", "an") and word.tag == "DT" and not untouched(after):
            word.become(article_for(after.text))
        elif mine and word.text.lower() in ("my", "thy") and vowel:
            word.become(word.text.lower()[:-1] + "ine")
