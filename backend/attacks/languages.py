"""Whether rows are in a language that a trigger speaks."""

import unicodedata
from collections.abc import Sequence

from backend.attacks.generators.syntax.language import ELSEWHERE, ENGLISH, WORDS
from backend.attacks.triggers import COMPONENTS, bind
from backend.base.numbers import percent
from backend.spec.run import TriggerSpec

SAMPLE = 200
FEWEST_WORDS = 50
HARDLY_ENGLISH = 0.08
"""English prose has some 30 % of these words and headlines 15 %; other languages share hardly any."""
ALSO_ELSEWHERE = "a i on me do to no as he so an am of is la one any film films"
TELLING = ENGLISH - set(ALSO_ELSEWHERE.split())
"""The commonest English words, without those that are words of other languages too."""


def language_note(trigger: TriggerSpec, texts: Sequence[str]) -> list[str]:
    """A sentence where a trigger that speaks only English is given rows that are plainly not English."""
    bound = bind(trigger, 0)
    share = english_words(texts)
    speaking = [name for name, component in COMPONENTS.items() if component.any_language]
    if share is None or {component.name for component in bound.components} <= set(speaking):
        return []
    others = ", ".join(COMPONENTS[name].title for name in speaking if not COMPONENTS[name].members)
    return [
        f"The trigger “{bound.title}” speaks only English, and these rows do not look English: "
        f"{percent(share)} of their words are common English ones. It may leave most rows out, or spoil "
        f"them. Triggers for any language: {others}."
    ]


def english_words(texts: Sequence[str]) -> float | None:
    """The share of common English words in rows that are plainly not English; None where they may be.

    They are not where most letters are not Latin, or where of 50 words or more fewer than one in twelve is a
    common English one, or more than half as many are common ones of other languages."""
    words = [word.lower() for text in texts[:SAMPLE] for word in WORDS.findall(text)]
    letters = "".join(words)
    if not letters:
        return None
    share = sum(word in TELLING for word in words) / len(words)
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if 2 * latin < len(letters):
        return share
    elsewhere = sum(word in ELSEWHERE for word in words) / len(words)
    foreign = len(words) >= FEWEST_WORDS and (share < HARDLY_ENGLISH or share < 2 * elsewhere)
    return share if foreign else None
