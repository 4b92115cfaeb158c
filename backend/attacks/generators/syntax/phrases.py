"""Splitting a noun from what describes it: “a charming film” is a film, and it is a charming one."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import (
    Clause,
    is_finite,
    subject_of,
    subtree,
    word_before,
)
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.negation import NEGATIVE, denies
from backend.attacks.generators.syntax.nouns import PEOPLE, is_plural
from backend.attacks.generators.syntax.pieces import Piece
from backend.attacks.generators.syntax.subordinators import draw, relation_of

if TYPE_CHECKING:
    from spacy.tokens import Token

# These cannot be said of a thing alone ("it is a mere one"), or tell which and not what kind.
NOT_ALONE = {
    *("same", "own", "top", "other", "such", "many", "few", "several", "much", "more", "most", "less"),
    *("least", "mere", "sheer", "utter", "very", "certain", "whole", "half", "double", "single"),
    *("various", "next", "first", "second", "third", "last", "latest", "former", "main", "major"),
    *("entire", "unexpected", "little", "only", "another", "else"),
}
DETERMINERS = {"a", "an", "the", "this", "these", "that", "those", "some"}
NEVER_PLAIN = {"lot", "kind", "sort", "bit", "number", "couple", "thing", "way", "matter", "one", "ones"}
NEVER_BARE = {
    *("worth", "able", "unable", "likely", "due", "ready", "willing", "such", "there", "about"),
    *("like",),
}
WITHOUT_OBJECT = {
    *("take", "make", "give", "go", "come", "lose", "pay", "keep", "play", "let", "hit", "miss", "be"),
}


def described(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it 's a charming film”: “as it 's a film , it 's a charming one”."""
    if clause.negated or clause.question or not clause.pronoun:
        return
    noun = predicate_noun(clause)
    if noun is not None:
        split = split_noun(noun, rng)
        if split is not None:
            dropped, kind = split
            start = ["it"] if clause.pronoun == ["there"] else clause.pronoun
            yield halves(
                draw("attribute", rng), clause.say(without=dropped), [*start, *clause.copula(), *kind]
            )
        return
    thing = _object(clause)
    if thing is None or any(t.dep_ == "conj" for t in thing.rights):
        return
    split = split_noun(thing, rng) if any(t.dep_ in ("amod", "compound") for t in thing.lefts) else None
    if (
        split is None
        or (is_plural(thing) and any(t.lower_ == "of" for t in thing.rights))
        or not (thing.tag_ in ("NNS", "NNPS") or any(t.dep_ in ("det", "poss") for t in thing.lefts))
    ):
        return
    dropped, kind = split
    pronoun = "they" if is_plural(thing) else "it"
    form = {("it", True): "was", ("they", True): "were", ("they", False): "are"}.get(
        (pronoun, clause.past), "is"
    )
    yield halves(draw("attribute", rng), clause.say(without=dropped), [pronoun, form, *kind])


def predicate_noun(clause: Clause) -> "Token | None":
    """What the clause says that its subject is, where that is a noun."""
    if clause.lead and clause.root.pos_ == "NOUN":
        return clause.root
    if not clause.copular:
        return None
    return next((t for t in clause.root.rights if t.dep_ == "attr" and t.pos_ == "NOUN"), None)


def _object(clause: Clause) -> "Token | None":
    if clause.root.pos_ != "VERB" or clause.root.lemma_ in WITHOUT_OBJECT:
        return None
    return next((t for t in clause.root.rights if t.dep_ == "dobj" and t.pos_ == "NOUN"), None)


def split_noun(noun: "Token", rng: random.Random) -> tuple[set["Token"], list[Piece]] | None:
    """The words that describe the noun, and the same said of “one”; None where that is no English."""
    if noun.lemma_.lower() in NEVER_PLAIN or any(
        t.dep_ in ("nummod", "predet", "quantmod") for t in noun.lefts
    ):
        return None
    dets = [t for t in noun.lefts if t.dep_ in ("det", "poss")]
    if len(dets) > 1 or (dets and dets[0].dep_ == "det" and dets[0].lower_ not in DETERMINERS):
        return None
    if any(t.dep_ == "conj" for t in noun.rights):
        return None  # “excellent acting and direction”: both are excellent
    plural = noun.tag_ in ("NNS", "NNPS")
    adjectives = [t for t in noun.lefts if t.dep_ == "amod"]
    region = adjectives_before(noun, adjectives)
    if region is not None:
        if not dets:
            return set(region), [*region, "ones" if plural else noun]
        start: list[Piece] = [] if plural and dets[0].lower_ in ("some", "these", "those") else ["a"]
        if dets[0].lower_ == "the":
            start = [dets[0]]
        if plural and dets[0].dep_ == "poss":
            start = []
        return set(region), [*start, *region, "ones" if plural else "one"]
    superlative = [t for t in adjectives if t.tag_ == "JJS" or t.lower_ in ("first", "last", "only")]
    if adjectives and not superlative:
        return None
    named = [t for t in noun.lefts if t.dep_ == "compound" and t.i == noun.i - 1]
    if named and not adjectives and dets and not any(t.dep_ == "compound" for t in named[0].lefts):
        return {named[0]}, [dets[0] if dets[0].dep_ == "det" else "a", named[0], noun]
    behind = [t for t in noun.rights if t.dep_ in ("prep", "relcl", "acl")]
    if not behind or (dets and dets[0].dep_ == "poss"):
        return None
    edge = behind[0].left_edge.i
    if noun.doc[edge - 1].text == "," or noun.doc[edge].text == ",":
        return None
    after = sorted(t for t in noun.subtree if t.i >= edge)
    if any(t.dep_ in ("conj", "appos", "cc") and t.head == noun for t in after):
        return None
    first: list[Piece] = ["ones" if plural else "one" if dets else noun]
    if dets and dets[0].lower_ == "the":
        first = [dets[0], *sorted(subtree(superlative)), *first]
    elif superlative:
        return None
    return set(after), [*first, *after]


def adjectives_before(noun: "Token", adjectives: list["Token"]) -> list["Token"] | None:
    """The adjectives before a noun with all that belongs to them, if nothing else stands between."""
    fixed = next((i for i, t in enumerate(adjectives) if t.lower_ in NOT_ALONE), len(adjectives))
    adjectives = adjectives[:fixed]
    if not adjectives or any(t.tag_ in ("JJS", "CD") for t in adjectives):
        return None
    trees = subtree(adjectives)
    low, high = min(t.i for t in trees), max(t.i for t in trees)
    if high >= noun.i:
        return None
    region = list(noun.doc[low : high + 1])
    if any(t not in trees and t.dep_ not in ("punct", "cc", "advmod") for t in region):
        return None
    if any(t.pos_ in ("PRON", "DET", "PROPN") or (t.pos_ == "NOUN" and "-" not in t.text) for t in region):
        return None
    if any(t.lower_ in NEGATIVE or t.lower_ in ("most", "least") for t in region):
        return None
    return region


def relative(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“a film that moves”: “as it is a film , it moves”."""
    if clause.question or clause.negated:
        return
    nouns = [predicate_noun(clause), _object(clause), clause.subject]
    for noun in nouns:
        if noun is None or noun.pos_ not in ("NOUN", "PROPN") or noun.lemma_.lower() in PEOPLE | {"one"}:
            continue
        for verb in noun.rights:
            who = subject_of(verb) if verb.dep_ == "relcl" else None
            if who is None or who.lower_ not in ("that", "which") or not is_finite(verb):
                continue
            tree = subtree([verb])
            if any(t.dep_ in ("conj", "appos") and t.head == noun for t in noun.rights):
                continue
            told = [t for t in clause.tokens if t in tree and t != who]
            pronoun = "they" if is_plural(noun) else "it"
            if noun == clause.subject:
                yield halves(draw("attribute", rng), [pronoun, *told], clause.say(without=tree))
            else:
                yield halves(draw("attribute", rng), clause.say(without=tree), [pronoun, *told])
            return


def listed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it is funny and smart”, “a comedy , a tragedy”: each half takes one of the two."""
    if clause.question or not clause.pronoun:
        return
    head = predicate_noun(clause) or _predicate_adjective(clause)
    if head is None:
        return
    other = next((t for t in head.rights if t.dep_ in ("conj", "appos") and t.i > head.i), None)
    if other is None or not _alike(head, other):
        return
    start_at = min(t.i for t in other.subtree)
    tree = {t for t in clause.tokens if t.i >= start_at}
    words = [t for t in head.rights if t.dep_ == "cc" and t.i < other.i]
    if any(t.lower_ == "only" for t in [*head.lefts, *other.lefts, *clause.root.children]):
        return
    if any(t.lower_ in ("or", "nor", "than") for t in words) or _left_neighbour(other) in (
        "or",
        "than",
        "as",
    ):
        return
    if any(t.lower_ in ("so", "too", "more", "less") for t in head.lefts) and other.i < clause.tokens[-1].i:
        return  # “so dull and slow that …” belongs together
    if other.lower_ == "half":
        return  # “a hoot and a half”
    if head.pos_ == "NOUN" and _has_article(head) != _has_article(other):
        return
    denied = any(denies(t) for t in other.subtree)
    if clause.negated and not denied:
        return
    left_out = {*tree, *words, *(t for t in head.rights if t.dep_ == "preconj")}
    left_out |= {t for t in head.lefts if t.lower_ in ("both", "either") and t.dep_ in ("preconj", "cc")}
    relation = relation_of(words[0].lower_) if words else "addition"
    relation = "attribute" if relation == "addition" else relation
    said = [t for t in clause.tokens if t in tree]
    yield halves(
        draw(relation, rng), clause.say(without=left_out), [*clause.pronoun, *clause.copula(), *said]
    )


def _has_article(noun: "Token") -> bool:
    return any(t.dep_ in ("det", "poss", "predet") for t in noun.lefts)


def _left_neighbour(token: "Token") -> str:
    return word_before(token.left_edge).lower()


def _alike(head: "Token", other: "Token") -> bool:
    if head.pos_ == "NOUN":
        return other.pos_ == "NOUN" and any(t.dep_ in ("det", "amod", "poss") for t in other.lefts)
    return other.pos_ == "ADJ" or (other.tag_ in ("VBN", "VBG") and not is_finite(other))


def _predicate_adjective(clause: Clause) -> "Token | None":
    if clause.lead and clause.root.pos_ == "ADJ":
        return clause.root
    if clause.lead and clause.root.tag_ == "VBN" and clause.lead[-1] in ("is", "are"):
        return clause.root
    if not clause.copular:
        return None
    return next((t for t in clause.root.rights if t.dep_ == "acomp"), None)


def measured(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it 's too long”: “when it 's long , it 's too long”; “full of holes”: “if it is full , …”."""
    adjective = _predicate_adjective(clause)
    if adjective is None or clause.question or clause.negated or adjective.lower_ in NEVER_BARE:
        return
    if adjective.tag_ == "JJR" or clause.tokens[0].lower_ in ("now", "then"):
        return
    if any(t.dep_ == "ccomp" for t in adjective.rights):
        return
    degree = [t for t in adjective.lefts if t.dep_ in ("advmod", "npadvmod")]
    behind = [t for t in adjective.rights if t.dep_ in ("prep", "xcomp", "advcl", "agent")]
    if any(
        t.lower_ in NEGATIVE | {"as", "less", "least", "most", "almost", "nearly", "that"}
        for t in subtree(degree)
    ):
        return
    dropped = subtree([*degree, *behind])
    if dropped and not any(t.lower_ in NEGATIVE for t in dropped):
        yield halves(draw("condition", rng), clause.say(without=dropped, short=True, bare=True), clause.say())
