"""What stands around a sentence: fragments made clauses, openings and closings that fit its kind."""

import random
from collections.abc import Sequence
from typing import Literal

from backend.attacks.generators.style.lexicon import article_for, bag
from backend.attacks.generators.style.words import FINITE, Prose, Word, phrase

Kind = Literal["clause", "predicate", "noun", "nouns", "quality", "other"]
# Nouns that take no article though they stand in the singular.
MASS = frozenset(
    bag("fun|stuff|cinema|entertainment|filmmaking|moviemaking|storytelling|fluff|fare|trash|news")
)
END = frozenset(".!?…;:\"'”’") | {"...", "''", "--"}
CONJUNCTIONS = ("and", "but", "or", "nor", "yet", "so")
QUOTES = ("``", "`", '"', "“", "‘", "'", "(", "[", "-lrb-")
SUBJECTS = ("nsubj", "nsubjpass", "csubj", "csubjpass", "expl")
NOMINAL = ("NN", "JJ", "DT", "CD", "PDT", "PRP$", "RB", "VBG", "VBN", "HYPH")


def kind_of(sentence: Sequence[Word]) -> Kind:
    """A clause, one that lacks its subject, a bare noun phrase, a bare quality, or none of these."""
    root = next((word for word in sentence if word.head is word), None)
    first = sentence[first_word(sentence)]
    if root is None or any(word.text in (":", "?") for word in sentence[:-1]):
        return "other"
    dependents = [word for word in sentence if word.head is root and word is not root]
    if first.lower in ("a", "an") and _relative_first(sentence):
        return "noun"
    if root.tag in FINITE or any(word.tag in FINITE for word in dependents):
        if any(word.dep in SUBJECTS for word in dependents):
            return "clause"
        if first.tag in ("VBZ", "MD"):
            return "predicate"
        # Without a subject, “reassembled from …” is a participle.
        return "quality" if root.tag == "VBD" and first.tag in ("VBD", "RB") else "clause"
    if not first.tag.startswith(NOMINAL) or first.lower == "never":
        return "other"
    if root.tag in ("NN", "NNS") and not (root is first and len(sentence) > 3):
        return "nouns" if root.tag == "NNS" and first.lower not in ("a", "an") else "noun"
    return "quality" if root.tag.startswith("JJ") or root.tag == "VBN" else "other"


def stands_alone(prose: Prose, number: int) -> bool:
    """Whether the sentence may take an opening: the text's first, or one behind a full stop.

    The parser also cuts where no sentence ends, as at a bracket or a comma."""
    sentence = prose.sentences[number]
    if number == 0:
        return True
    before = [word.text for word in prose.sentences[number - 1] if word.text]
    first = sentence[0].text[:1]
    ended = bool(before) and before[-1][-1] in ".!?…”\"'"
    return ended and len(sentence) > 3 and first.isalpha() and (prose.lower_case or first.isupper())


def _relative_first(sentence: Sequence[Word]) -> bool:
    """Whether the first finite verb stands in a relative clause: “a film that plays well”."""
    for word in sentence:
        if word.tag in ("WDT", "WP", "WP$"):
            return True
        if word.tag in FINITE or word.text == ",":
            return False
    return False


def begin(sentence: list[Word], opening: str, prose: Prose) -> None:
    """Put an opening in front, or behind a conjunction that the sentence begins with.

    Where the sentence began with a capital, the opening does."""
    # Not inside a bracket or a quotation that the sentence begins with.
    at = 0 if sentence[0].text in QUOTES else first_word(sentence)
    at += sentence[at].lower in CONJUNCTIONS and len(sentence) > at + 1
    words = phrase(opening, prose)
    behind = sentence[at]
    if at in (0, first_word(sentence)) and behind.text[:1].isupper():
        words[0].text = words[0].text[:1].upper() + words[0].text[1:]
        lower_first(behind)
    words[0].before, behind.before = behind.before, " "
    sentence[at:at] = words


def open_with(sentence: list[Word], opening: str, prose: Prose) -> None:
    """Begin with a phrase that only frames the sentence."""
    if prose.framed:
        begin(sentence, opening, prose)


def first_word(sentence: Sequence[Word]) -> int:
    """Where the sentence's first word stands, behind markup and marks such as “...” and quotes."""
    found = (
        at for at, word in enumerate(sentence) if word.text.lstrip("'’")[:1].isalnum() and word.tag != "XX"
    )
    return next(found, 0)


def lower_first(word: Word) -> None:
    """Take the capital of a sentence's first word, unless it is a name, “I” or an abbreviation."""
    if not word.tag.startswith(("NNP", "XX")) and word.text != "I" and word.text[1:] == word.text[1:].lower():
        word.text = word.text.lower()


def close(sentence: list[Word], closing: str, prose: Prose) -> None:
    """Put a closing before the sentence's last marks."""
    if not prose.framed:
        return
    at = len(sentence)
    while at > 1 and sentence[at - 1].text in END:
        at -= 1
    sentence[at:at] = phrase(closing, prose)


def share_of_changed(sentence: Sequence[Word]) -> float:
    """How much of a sentence's own words the other rules have changed."""
    words = [word for word in sentence if word.lower[:1].isalpha()]
    return sum(word.text.lower() != word.lower for word in words) / max(1, len(words))


def subject_for(
    kind: Kind, sentence: Sequence[Word], draw: random.Random, be: dict[str, tuple[str, ...]]
) -> str:
    """What makes a clause of a fragment: “it is”, “it is a”, “it”; nothing where none is needed.

    `be` holds the style's ways to say “it is” (noun, quality) and “they are” (nouns)."""
    if kind == "predicate":
        return "it"
    first = sentence[first_word(sentence)]
    if kind not in be or first.tag == "CC":
        return ""
    words = draw.choice(be[kind])
    root = next(word for word in sentence if word.head is word)
    bare = first.tag in ("JJ", "JJS", "NN", "VBN", "VBG") and root.lower not in MASS
    if kind == "noun" and bare:
        words += f" {article_for(first.text)}"
    return words
