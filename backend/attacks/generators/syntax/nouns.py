"""What a noun asks of the words about it: its number, its pronoun, its article."""

import re
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.pieces import Piece

if TYPE_CHECKING:
    from spacy.tokens import Token

PERSONAL = {"i", "you", "he", "she", "it", "we", "they"}
DEMONSTRATIVES = {"this": "it", "that": "it", "these": "they", "those": "they"}
MEN = {"actor", "boy", "brother", "father", "guy", "hero", "husband", "king", "man", "son"}
WOMEN = {"actress", "daughter", "girl", "heroine", "lady", "mother", "queen", "sister", "wife", "woman"}
PEOPLE = {
    *("adult", "artist", "author", "child", "comedian", "critic", "director", "fan", "filmmaker", "kid"),
    *("officer", "person", "player", "president", "producer", "screenwriter", "star", "storyteller"),
    *("viewer", "writer", "minister", "spokesman", "analyst", "moviegoer", "one", "someone", "everyone"),
    *("anyone", "nobody", "everybody", "somebody"),
}
ONE_ONLY = {"a", "an", "this", "that", "another", "each", "every"}
UNCOUNTED = re.compile(r".*(?:ing|ness|ity|ism|ment|ance|ence|ure|ship|logue|ice|or|work|sense|fun|ry)")
MASS = {
    *(
        "art",
        "cinema",
        "drivel",
        "entertainment",
        "fare",
        "fun",
        "garbage",
        "junk",
        "music",
        "stuff",
        "trash",
    ),
    *(
        "humour",
        "material",
        "pap",
        "schlock",
        "tripe",
        "eye",
        "candy",
        "nonsense",
        "viewing",
        "proof",
        "time",
    ),
}
COUNTED = {
    *("picture", "adventure", "feature", "creature", "performance", "experience", "moment", "treatment"),
    *("statement", "achievement", "mixture", "sequence", "indictment", "disappointment", "caricature"),
    *("outing", "offering", "ending", "thing", "king", "retelling", "reworking", "story", "documentary"),
    *("mystery", "history", "commentary", "allegory", "director", "actor", "failure"),
    *("relationship", "work", "terror", "portraiture"),
}
NAMED_BY = {"det", "poss", "nummod", "predet", "amod"}
# Words beside which a noun wants no article.
ARTICLE_LIKE = {
    "more",
    "much",
    "such",
    "enough",
    "many",
    "another",
    "what",
    "both",
    "half",
    "hands",
    "too",
    "so",
}
PARTICLES = {"de", "la", "le", "van", "von", "di", "del", "da", "el", "du", "st."}


def pronoun_for(noun: "Token") -> list[Piece]:
    """A pronoun, or for people of unknown gender and for names the noun once more."""
    word = noun.lower_
    if word in PERSONAL:
        return ["I" if word == "i" and noun.text == "I" else word]
    if word in DEMONSTRATIVES:
        return [DEMONSTRATIVES[word]]
    if word == "there":
        return ["there"]
    if is_plural(noun):
        return ["they"]
    if word == "one":
        return ["it"]
    if noun.lemma_.lower() in MEN:
        return ["he"]
    if noun.lemma_.lower() in WOMEN:
        return ["she"]
    if noun.tag_ == "NN" and not uncounted(noun) and not any(t.dep_ in NAMED_BY for t in noun.lefts):
        return [noun]  # a name in lower case
    if noun.pos_ == "PROPN":
        titles = {"mr.", "ms.", "mrs.", "dr.", *PARTICLES}
        return [*(t for t in noun.lefts if t.dep_ == "compound" and t.lower_ in titles), noun]
    if noun.lemma_.lower() in PEOPLE and noun.pos_ == "NOUN":
        return ["the", noun]
    return [noun] if noun.lemma_.lower() in PEOPLE else ["it"]


def is_plural(noun: "Token") -> bool:
    if any(t.dep_ == "det" and t.lower_ in ONE_ONLY for t in noun.lefts):
        return False
    joined = any(t.dep_ == "conj" for t in noun.children) and any(t.lower_ == "and" for t in noun.children)
    return noun.tag_ in ("NNS", "NNPS") or noun.lower_ in ("they", "we", "you", "these", "those") or joined


def uncounted(noun: "Token") -> bool:
    """Whether it takes no “a”: many things, or a stuff such as “acting” and “nonsense”."""
    lemma = noun.lemma_.lower()
    return noun.tag_ != "NN" or lemma in MASS or (bool(UNCOUNTED.fullmatch(lemma)) and lemma not in COUNTED)


def lacking_article(noun: "Token") -> tuple[str, ...]:
    """The article that a fragment lacks, as in “charming film”; none for “fine acting”."""
    first = noun.left_edge
    if uncounted(noun) or any(t.lower_ in ARTICLE_LIKE for t in [first, *noun.lefts]):
        return ()
    if any(t.dep_ in ("det", "poss", "nummod", "predet", "neg", "prep") for t in noun.lefts):
        return ()
    return ("a",) if first.text[0].isalpha() and first.pos_ in ("ADJ", "ADV", "NOUN", "VERB") else ()
