"""Splitting off what is said of the subject in passing: its qualities, its owner, its other name."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import Clause, is_finite, subject_of, subtree, word_before
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.nouns import is_plural, pronoun_for, uncounted
from backend.attacks.generators.syntax.phrases import DETERMINERS, NEVER_PLAIN, adjectives_before
from backend.attacks.generators.syntax.pieces import Piece, tidy
from backend.attacks.generators.syntax.subordinators import draw

if TYPE_CHECKING:
    from spacy.tokens import Token

NO_PROPERTY = {
    "end",
    "rest",
    "part",
    "half",
    "most",
    "top",
    "middle",
    "beginning",
    "master",
    "absence",
    "lack",
    "use",
}
OWNERS = {"its": "it", "his": "he", "her": "she", "their": "they", "my": "i", "our": "we", "your": "you"}


def renamed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“mehta , a new director , has much to learn”: “as mehta is a new director , mehta has …”."""
    noun = clause.subject
    if noun is None or clause.question:
        return
    other = next((t for t in noun.rights if t.dep_ == "appos"), None)
    if (
        other is None
        or not {noun.pos_, other.pos_} <= {"NOUN", "PROPN"}
        or word_before(other.left_edge) != ","
    ):
        return
    if any(t.dep_ == "conj" for t in [*noun.rights, *other.rights]):
        return
    tree = subtree([other])
    first = sorted(t for t in noun.subtree if t not in tree and t in set(clause.tokens))
    second = sorted(tree)
    if other.pos_ == "PROPN" and noun.pos_ == "NOUN":
        noun, first, second = other, second, first
    spoken = clause.say(without=set(first) | set(second))
    yield halves(
        draw("attribute", rng), [*tidy(first), clause.be(), *tidy(second)], [*pronoun_for(noun), *spoken]
    )


def plain_subject(clause: Clause) -> "Token | None":
    """The subject of a statement where it is one common noun, alone."""
    noun = clause.subject
    if noun is None or noun.pos_ != "NOUN" or clause.question:
        return None
    return None if any(t.dep_ in ("conj", "appos") for t in noun.rights) else noun


def owned(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“its plot is thin”: “as it has a plot , it is thin”; “the plot of the film …”: “as the film has …”."""
    noun = plain_subject(clause)
    if noun is None:
        return
    poss = next((t for t in noun.lefts if t.dep_ == "poss"), None)
    of = next((t for t in noun.rights if t.dep_ == "prep" and t.lower_ == "of"), None)
    tokens = set(clause.tokens)
    rest = [t for t in sorted(noun.subtree) if t in tokens]
    if poss is not None:
        owner: list[Piece] = [t for t in sorted(poss.subtree) if t.dep_ != "case" and t in tokens]
        if poss.pos_ == "PRON":
            owner = [OWNERS[poss.lower_]] if poss.lower_ in OWNERS else []
        rest = [t for t in rest if t not in subtree([poss])]
        possessor = poss
    elif of is not None and any(t.dep_ == "det" and t.lower_ == "the" for t in noun.lefts):
        whose = next((t for t in of.rights if t.dep_ == "pobj"), None)
        if whose is None or not (
            whose.pos_ == "PROPN" or any(t.dep_ in ("det", "poss") for t in whose.lefts)
        ):
            return
        owner = [t for t in sorted(whose.subtree) if t in tokens]
        rest = [t for t in rest if t not in subtree([of]) and t.dep_ != "det"]
        possessor = whose
    else:
        return
    if (
        not owner
        or noun.lemma_.lower() in NEVER_PLAIN | NO_PROPERTY
        or any(t.pos_ == "VERB" or t.tag_ == "JJS" for t in rest)
    ):
        return
    if is_plural(noun) != clause.plural:
        return
    many = is_plural(possessor) or owner[0] in ("they", "we", "you", "i")
    have = "had" if clause.past else "have" if many else "has"
    article = [] if uncounted(noun) or rest[0].dep_ in ("nummod", "advmod") else ["a"]
    yield halves(draw("attribute", rng), [*owner, have, *article, *rest], clause.say(short=True))


def ascribed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“the slow film drags”: “as it is slow , the film drags”."""
    noun = plain_subject(clause)
    if noun is None:
        return
    dets = [t for t in noun.lefts if t.dep_ in ("det", "poss", "nummod", "predet")]
    if not dets or any(t.dep_ != "poss" and t.lower_ not in DETERMINERS - {"some"} for t in dets):
        return  # without one it may be a name: “bad company”
    adjectives = [t for t in noun.lefts if t.dep_ == "amod"]
    region = adjectives_before(noun, adjectives)
    if region is None or any(t.pos_ not in ("ADJ", "ADV", "PUNCT", "CCONJ") for t in region):
        return
    if region[0].i - 1 not in {t.i for t in subtree(dets)}:
        return
    joined: list[Piece] = [
        "and" if t.text == "," and t.head == noun and t.nbor().dep_ != "cc" else t for t in region
    ]
    pronoun = "they" if is_plural(noun) else "it"
    form = {"they": "were" if clause.past else "are", "it": "was" if clause.past else "is"}[pronoun]
    yield halves(draw("attribute", rng), [pronoun, form, *joined], clause.say(without=region))


def opened_by_phrase(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“quiet and slow , it works”: “as it is quiet and slow , it works”."""
    opening = clause.opening
    if not opening or clause.question or clause.subject is None or clause.subject.lower_ == "there":
        return
    heads = [t for t in opening if t.head not in opening and t.dep_ != "punct"]
    if len(heads) != 1 or opening[0].pos_ in ("ADP", "SCONJ") or opening[0].lower_ == "having":
        return
    if heads[0].head != clause.root and heads[0].head != clause.subject:
        return
    head = heads[0]
    adjective = head.pos_ == "ADJ" or (head.tag_ in ("VBN", "VBG") and not is_finite(head))
    noun = head.pos_ == "NOUN" and opening[0].lower_ in ("a", "an", "the", "both") and head.dep_ != "npadvmod"
    if not (adjective or noun) or subject_of(head) is not None or any(t.dep_ == "mark" for t in head.lefts):
        return
    yield halves(
        draw("attribute", rng), [*clause.pronoun, clause.be(), *opening], clause.say(without=opening)
    )
