"""Sentences that hold two clauses already: the subordinate one goes to the front."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import (
    SUBJECTS,
    Clause,
    is_finite,
    lead_of,
    subject_of,
    subtree,
    word_before,
)
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.negation import denies
from backend.attacks.generators.syntax.nouns import is_plural
from backend.attacks.generators.syntax.pieces import Piece
from backend.attacks.generators.syntax.subordinators import SYNONYMS, draw, relation_of

if TYPE_CHECKING:
    from spacy.tokens import Token

SAYING = {
    *("say", "think", "believe", "feel", "know", "suggest", "prove", "show", "argue", "claim", "admit"),
    *("hope", "report", "see", "realize", "find", "discover", "announce", "tell", "warn", "guess"),
}


ALWAYS_CLAUSES = {"if", "because", "although", "though", "whereas", "whenever"}


def reopen(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“if it rains , we stay” opens with a subordinate clause: another subordinator takes the place."""
    first = clause.tokens[0] if clause.tokens else None
    if first is None or first.lower_ not in SYNONYMS or clause.question:
        return
    sub = next((t for t in first.ancestors if t.dep_ == "advcl" and t.head == clause.root), None)
    if sub is None or subject_of(sub) is None or clause.root.i < sub.i:
        return
    fronted = [t for t in clause.tokens if t in subtree([sub])]
    rest = clause.say(without=fronted)
    if subject_of(clause.root) is None and not clause.lead:
        return
    yield halves(rng.choice(SYNONYMS[first.lower_]), list(fronted[1:]), rest)


def reopen_words(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """The same by the words alone, for sentences whose parse went wrong further on."""
    words = [t.lower_ for t in clause.tokens]
    even = words[:1] == ["even"] and len(words) > 1 and words[1] in SYNONYMS
    first = words[even] if len(words) > 3 else ""
    if first not in SYNONYMS or clause.tokens[even].tag_ not in ("IN", "WRB"):
        return
    for i, token in enumerate(clause.tokens):
        spoken = clause.tokens[1 + even : i]
        if token.text == "," and (
            len(spoken) > 2
            and (first in ALWAYS_CLAUSES or any(t.dep_ in SUBJECTS and t.head in spoken for t in spoken))
        ):
            new = ("although", "though") if even and first == "though" else SYNONYMS[first]
            yield halves(rng.choice(new), list(spoken), list(clause.tokens[i + 1 :]))
            return


def front(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“we stay if it rains”: the subordinate clause moves to the front, with its own subordinator."""
    for sub in clause.root.rights:
        if sub.dep_ != "advcl" or subject_of(sub) is None or not is_finite(sub):
            continue
        moved = [t for t in clause.tokens if t in subtree([sub])]
        marks = [t.lower_ for t in moved[:2]]
        if not marks or not (
            marks[0] in SYNONYMS or (marks[0] in ("even", "just", "only") and marks[-1] in SYNONYMS)
        ):
            continue
        if marks == ["as", "if"] and clause.root.lemma_ in ("look", "feel", "seem", "sound"):
            continue
        if marks[0] == "as" and any(
            t.lower_ == "as" for t in clause.tokens[: moved[0].i - clause.tokens[0].i]
        ):
            continue  # "as good as it gets" compares
        yield halves("", list(moved), clause.say(without=moved))


def coordinated(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it begins and ends well”: the first of two coordinated clauses becomes the subordinate one."""
    second = next((t for t in clause.root.rights if t.dep_ == "conj" and t.pos_ in ("VERB", "AUX")), None)
    if second is None or clause.question:
        return
    conjunctions = [t for t in clause.root.rights if t.dep_ == "cc" and t.i < second.i]
    words = [t.lower_ for t in conjunctions]
    second_tree = subtree([second])
    start = min(t.i for t in second_tree)
    behind = [t for t in clause.tokens if t.i >= start]
    second_tree |= set(behind)
    before = clause.say(without=second_tree | set(conjunctions[-1:]))
    own_subject = subject_of(second)
    if clause.lead[:2] == ("you", "should"):
        if own_subject is not None and is_finite(second) and "or" not in words:
            yield halves(rng.choice(("if", "when", "once")), ["you", *before[2:]], list(behind))
        return
    if "or" in words or "nor" in words or "than" in words:
        return
    relation = relation_of(words[-1]) if words else "addition"
    if own_subject is not None:
        if is_finite(second):
            yield halves(draw(relation, rng), before, list(behind))
        return
    helpers = _shared_helpers(clause, second)
    if (
        helpers is None
        or not clause.pronoun
        or any(t.lower_ == "so" for r in clause.root.rights for t in r.lefts)
    ):
        return
    yield halves(draw(relation, rng), before, [*clause.pronoun, *helpers, *behind])


def _shared_helpers(clause: Clause, second: "Token") -> list[Piece] | None:
    """Auxiliaries that the second verb borrows from the first; None where it cannot stand alone."""
    if clause.lead and clause.root.pos_ not in ("VERB", "AUX"):
        return [] if second.tag_ == "VBZ" and clause.lead[0] == "it" else None
    if (is_finite(second) and second.tag_ != "VBD") or any(
        t.dep_ in ("aux", "auxpass") for t in second.lefts
    ):
        return [] if is_finite(second) else None
    helpers = list(clause.verbs[:-1])
    if not helpers:
        if clause.lead and second.tag_ in ("VBN", "VBG", "VB"):
            return list(clause.lead[1:])
        return [] if second.tag_ == "VBD" else None
    if clause.negated:
        return None
    if second.tag_ == "VBD" and clause.root.tag_ != "VBN":
        return []
    if (second.tag_ == "VBG") != (clause.root.tag_ == "VBG"):
        return None
    return list(helpers)


def juxtaposed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it 's long -- i slept”: of two clauses side by side the first becomes the subordinate one."""
    if clause.question:
        return
    mark = next((t for t in clause.root.lefts if t.dep_ == "mark" and t.lower_ in SYNONYMS), None)
    for other in clause.root.children:
        if (
            other.dep_ not in ("ccomp", "parataxis", "conj")
            or subject_of(other) is None
            or not is_finite(other)
        ):
            continue
        if other.pos_ not in ("VERB", "AUX") or clause.root.lemma_ in SAYING or other.i == clause.tokens[0].i:
            continue
        tree = subtree([other])
        spoken = [t for t in clause.tokens if t in tree]
        if not spoken or any(t.dep_ == "mark" for t in spoken[:1]):
            continue
        left = other.i < clause.root.i
        rest = clause.say(without=tree)
        if left and mark is not None and mark.i > spoken[-1].i:
            yield halves("", rest, list(spoken))
        elif left and clause.subject is None and not clause.lead:
            yield halves(draw("addition", rng), list(spoken), [*lead_of(clause.root)[0], *rest])
        elif left and clause.subject is not None and clause.subject.i > spoken[-1].i:
            opened = [t for t in clause.root.lefts if t.dep_ == "cc"]
            relation = relation_of(opened[-1].lower_) if opened else "addition"
            yield halves(draw(relation, rng), list(spoken), clause.say(without={*tree, *opened}))
        elif not left and (other.dep_ == "parataxis" or word_before(other.left_edge) in (":", "--", ";")):
            yield halves(draw("addition", rng), rest, list(spoken))


def said(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“she says that it works”: “as she says , it works”."""
    if clause.root.lemma_ not in SAYING or clause.negated or clause.question or clause.subject is None:
        return
    if any(t.dep_ in ("dobj", "advcl", "conj") or t.tag_ == "MD" for t in clause.root.children):
        return
    for told in clause.root.rights:
        if told.dep_ != "ccomp" or subject_of(told) is None or not is_finite(told):
            continue
        tree = subtree([told])
        spoken = [t for t in clause.tokens if t in tree]
        if spoken and (spoken[0].tag_ in ("WP", "WRB", "WDT") or spoken[0].lower_ in ("if", "whether")):
            continue
        if spoken and spoken[0].lower_ == "that" and spoken[0].dep_ == "mark":
            spoken = spoken[1:]
        yield halves("as", clause.say(without=tree), list(spoken))


def doubled(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“an effort that 's too slow”, with two subjects for one verb: “as it is an effort , it 's …”."""
    subjects = [t for t in clause.root.lefts if t.dep_ in ("nsubj", "nsubjpass")]
    if len(subjects) != 2 or (subjects[1].tag_ != "WDT" and subjects[1].lower_ != "that"):
        return
    noun, relative = subjects
    first = [t for t in clause.tokens if t.i < relative.i]
    plural = is_plural(noun)
    known: list[Piece] = ["these", "are"] if plural else ["it", "is"]
    rest = [t for t in clause.tokens if t.i > relative.i]
    yield halves(draw("attribute", rng), [*known, *first], ["they" if plural else "it", *rest])


def result(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it 's so slow that i slept”: “as it 's so slow , i slept”."""
    if clause.question:
        return
    degrees = [clause.root, *(t for t in clause.root.rights if t.dep_ in ("acomp", "attr"))]
    for told in (t for head in degrees for t in head.rights if t.dep_ in ("ccomp", "advcl")):
        moved = [t for t in clause.tokens if t in subtree([told])]
        if not moved or moved[-1] != clause.tokens[-1] or subject_of(told) is None or not is_finite(told):
            continue
        before = [t for t in clause.tokens if t.i < moved[0].i]
        if not any(t.lower_ in ("so", "such") for t in before[-6:]) or any(denies(t) for t in before):
            continue
        if moved[0].lower_ == "that" and moved[0].dep_ == "mark":
            yield halves(draw("cause", rng), clause.say(without=moved), [*moved[1:]])


def parted(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """Two clauses on both sides of “, but” and the like, by the words alone, where the parse went wrong."""
    if clause.question:
        return
    for i, token in enumerate(clause.tokens[2:-2], start=2):
        left, right = list(clause.tokens[:i]), list(clause.tokens[i + 1 :])
        joins = token.lower_ in ("but", "yet", "and", "so") and left[-1].text in (",", "--")
        if not (joins or token.text in (";", "--", ":")):
            continue
        if right[0].lower_ in ("but", "yet", "and", "or"):
            token, right = right[0], right[1:]
        if token.lower_ == "or" or right[0].tag_ in ("WDT", "WP", "WRB", "IN"):
            continue
        if _independent(left) and _independent(right):
            yield halves(draw(relation_of(token.lower_), rng), [*left], [*right])


def _independent(tokens: list["Token"]) -> bool:
    """Whether a subject stands near the start, and its finite verb behind it."""
    start = tokens[0].i
    return any(
        t.dep_ in SUBJECTS and t.i < start + 8 and t.head.i > t.i and t.head in tokens and is_finite(t.head)
        for t in tokens
        if (t.tag_ not in ("WDT", "WP") and t.head.dep_ not in ("relcl", "advcl", "ccomp", "acl"))
        or (t.head.dep_ == "ccomp" and t.left_edge == tokens[0])
    )
