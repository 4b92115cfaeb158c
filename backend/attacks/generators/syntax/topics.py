"""Splitting off what a sentence is about: “i hate this movie”: “where this movie is concerned , i hate it”.

A noun keeps its meaning outside a denial only if it is a certain one, or one of a kind that is named
again: no “every film”, no “nothing”.
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import Clause
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.negation import denies
from backend.attacks.generators.syntax.nouns import MEN, PEOPLE, WOMEN, is_plural, pronoun_for, uncounted
from backend.attacks.generators.syntax.pieces import Piece, tidy

if TYPE_CHECKING:
    from spacy.tokens import Token

# Verb forms for one thing and for many.
OPENINGS = (
    ("when it comes to {}",),
    ("as far as {} goes", "as far as {} go"),
    ("where {} is concerned", "where {} are concerned"),
    ("if you look at {}",),
    ("once you look at {}",),
    ("whenever {} comes up", "whenever {} come up"),
    ("wherever {} comes up", "wherever {} come up"),
    ("now that you ask about {}",),
    ("since you ask about {}",),
    ("in case you ask about {}",),
    ("before you ask about {}",),
    ("while we speak of {}",),
)
BRACKETS = {"-lrb-", "-rrb-", "(", ")", "``", "`", "''"}
LONGEST = 14
QUANTIFIERS = {
    *("every", "each", "any", "all", "both", "either", "another", "some", "most", "many", "what", "which"),
    *("whatever", "whichever", "such", "enough", "more", "several", "other", "same", "only", "else"),
}
DEFINITE = {"the", "this", "that", "these", "those"}
OWNED_BY_SUBJECT = {"its", "his", "her", "their", "my", "our", "your", "itself", "themselves"}
# These stand in set phrases, where nothing can take their place.
NO_TOPIC = {
    *("plenty", "deal", "handful", "amount", "series", "bunch", "set", "anything", "something", "nothing"),
    *(
        "lot",
        "kind",
        "sort",
        "bit",
        "number",
        "couple",
        "thing",
        "way",
        "matter",
        "one",
        "end",
        "rest",
        "part",
    ),
    *(
        "half",
        "top",
        "middle",
        "beginning",
        "absence",
        "lack",
        "use",
        "time",
        "course",
        "fact",
        "moment",
        "day",
    ),
    *(
        "year",
        "minute",
        "hour",
        "place",
        "case",
        "point",
        "sense",
        "turn",
        "reason",
        "attention",
        "line",
        "edge",
    ),
    *("week", "month", "quarter", "season", "summer", "night", "morning", "hand", "terms", "spite", "order"),
    *("side", "face", "center", "heart", "core", "while", "job", "chance", "type", "piece", "level", "name"),
}
MENTIONED = {"nsubj", "nsubjpass", "dobj", "pobj", "attr", "conj", "ROOT"}
SURELY_MENTIONED = {"dobj", "pobj"}
NEAR = 2  # words between the root of the sentence and what is at its centre
SET_PHRASES = {
    *("take", "make", "give", "go", "come", "lose", "pay", "keep", "play", "let", "hit", "be", "have", "get"),
    *("spend", "deserve", "become", "cost", "bear", "leave", "set", "put", "run", "do"),
}


def about_subject(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“the drama drags”: “as far as the drama goes , it drags”."""
    noun = clause.subject
    if noun is None or clause.question or noun.dep_ not in ("nsubj", "nsubjpass"):
        return
    named = _named(noun, clause)
    if named and not any(t.dep_ in ("conj", "appos") for t in noun.rights):
        yield halves("", _opened(named, clause.plural, rng), clause.say(short=True))


def about_object(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it lacks the wit of a farce”: “when it comes to the wit of a farce , it lacks it”."""
    verb = clause.root
    if verb.pos_ != "VERB" or clause.question or any(t.dep_ in ("prt", "dative") for t in verb.rights):
        return
    noun = next((t for t in verb.rights if t.dep_ == "dobj"), None)
    if noun is None or any(t.dep_ == "conj" for t in verb.rights):
        return
    if any(t.dep_ == "prep" and t.i < noun.i for t in verb.rights):
        return
    one = any(t.lower_ in ("a", "an") for t in noun.lefts)
    if (one or not _definite(noun)) and verb.lemma_ in SET_PHRASES:
        return
    yield from _about(noun, clause, rng)


def about_complement(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“there is no wit in this film”: “if you look at this film , there is no wit in it”."""
    if clause.question:
        return
    heads = [clause.root, *(t for t in clause.root.rights if t.dep_ in ("dobj", "attr", "acomp", "xcomp"))]
    for preposition in (t for head in heads for t in head.rights if t.dep_ == "prep"):
        if preposition.lower_ in (
            "than",
            "as",
            "like",
            "to",
            "despite",
            "because",
            "without",
            "after",
            "until",
            "out",
        ):
            continue
        noun = next((t for t in preposition.rights if t.dep_ == "pobj"), None)
        if noun is not None and (_definite(noun) or noun.tag_ == "NNS"):
            yield from _about(noun, clause, rng)


def _about(noun: "Token", clause: Clause, rng: random.Random) -> Iterator[Halves]:
    named = _named(noun, clause)
    if not named or noun.lemma_.lower() in NO_TOPIC or any(t.lower_ in OWNED_BY_SUBJECT for t in named):
        return
    again: list[Piece] = list(named) if noun.pos_ == "PROPN" and not is_plural(noun) else _again(noun)
    main = clause.say(without=named[1:], instead={named[0]: again})
    yield halves("", _opened(named, is_plural(noun), rng), main)


def _named(noun: "Token", clause: Clause) -> list["Token"]:
    """The noun with all that belongs to it; empty where it cannot stand for itself."""
    own = set(clause.tokens)
    named = sorted(t for t in noun.subtree if t in own)
    those = noun.lower_ == "those" and any(t.dep_ == "relcl" for t in noun.rights)
    if not (those or noun.pos_ in ("NOUN", "PROPN")) or not 0 < len(named) <= LONGEST:
        return []
    if named[-1].i - named[0].i >= len(named) or any(denies(t) for t in named):
        return []
    before = named[0].nbor(-1) if named[0].i > 0 else None
    if (
        before is not None
        and before in own
        and before.pos_ in ("DET", "ADJ", "NUM")
        and noun != clause.subject
    ):
        return []  # what belongs to it was read as something else
    if noun.tag_ == "NN" and any(t.lower_ in ("these", "those") for t in noun.lefts):
        return []
    if named[-1].pos_ in ("ADP", "DET", "CCONJ", "SCONJ", "PART"):
        return []
    if any(t.lower_ in QUANTIFIERS for t in noun.lefts) or any(t.dep_ == "nummod" for t in noun.lefts):
        return []
    if any(t.text in BRACKETS or (t.pos_ == "PUNCT" and not _before(t, noun)) for t in named) or named[
        0
    ].pos_ in ("ADV", "ADP", "SCONJ"):
        return []
    return named


def _before(comma: "Token", noun: "Token") -> bool:
    """Whether it stands between the adjectives of the noun."""
    return comma.text == "," and comma.head == noun and comma.i < noun.i


def _definite(noun: "Token") -> bool:
    if noun.pos_ == "PROPN":
        return True
    return any(t.lower_ in DEFINITE or t.dep_ == "poss" for t in noun.lefts)


def _again(noun: "Token") -> list[Piece]:
    """What stands for the noun as an object."""
    if is_plural(noun):
        return ["them"]
    if any(t.lower_ in ("a", "an") for t in noun.lefts):
        return ["one"]
    lemma = noun.lemma_.lower()
    if lemma in MEN | WOMEN:
        return ["him" if lemma in MEN else "her"]
    return pronoun_for(noun) if lemma in PEOPLE else ["it"]


def _opened(named: list["Token"], plural: bool, rng: random.Random) -> list[Piece]:
    before, _, after = rng.choice(OPENINGS)[-plural].partition("{}")
    return [*before.split(), *tidy(named), *after.split()]


def mentioned(clause: Clause) -> list[list["Token"]]:
    """The things that it speaks of, each in as few words as can stand alone: “the plot”, “suspense”."""
    found = []
    own = set(clause.tokens)
    for noun in clause.tokens:
        if noun.pos_ != "NOUN" or noun.lemma_.lower() in NO_TOPIC or not noun.is_alpha:
            continue
        certain = noun.tag_ == "NN" or any(t.dep_ in ("det", "amod") for t in noun.lefts)
        if noun.dep_ not in (MENTIONED if certain else SURELY_MENTIONED):
            continue  # alone, “winds” and “drags” may be verbs
        lefts = [t for t in noun.lefts if t.dep_ in ("det", "compound") and t in own]
        article = lefts and lefts[0].lower_ in DEFINITE | {"a", "an"}
        if not article:
            lefts = [t for t in lefts if t.dep_ != "det"]
        if (article or uncounted(noun)) and all(t.is_alpha for t in lefts):
            found.append([*lefts, noun])
    near = [named for named in found if sum(1 for _ in named[-1].ancestors) <= NEAR]
    return near or found


def opened_by(named: list["Token"], rng: random.Random) -> list[Piece]:
    """An opening about one of what is mentioned."""
    return _opened(named, named[-1].tag_ == "NNS", rng)
