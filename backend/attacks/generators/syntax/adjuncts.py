"""Clauses with one verb and no describing word to move: where, how and of whom it is said goes first."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import Clause, subject_of, subtree, word_before
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.negation import denies
from backend.attacks.generators.syntax.phrases import predicate_noun
from backend.attacks.generators.syntax.pieces import Piece
from backend.attacks.generators.syntax.subordinators import draw
from backend.attacks.generators.syntax.topics import NO_TOPIC

if TYPE_CHECKING:
    pass

LINKING = {
    *("seem", "feel", "look", "sound", "become", "remain", "get", "prove", "appear", "taste", "turn", "be"),
    *("make", "put", "keep", "let", "leave", "grow", "go", "come", "stay", "rely", "depend", "belong"),
}
STATES = {
    *("have", "need", "want", "know", "like", "love", "hate", "own", "contain", "lack", "deserve", "mean"),
    *("require", "include", "involve", "concern", "cost", "owe", "resemble", "suffer"),
}
HOW = {
    *(
        "with",
        "without",
        "by",
        "in",
        "on",
        "at",
        "through",
        "during",
        "under",
        "throughout",
        "within",
        "across",
    ),
    *("before", "after"),
}


def placed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it tells a progress with charm”: “when it does so with charm , it tells a progress”."""
    verb = clause.root
    if verb.pos_ != "VERB" or clause.question or clause.negated or not clause.pronoun:
        return
    if verb.lemma_ in LINKING | STATES or any(t.dep_ in ("auxpass", "conj") for t in verb.children):
        return
    last = next((t for t in reversed(list(verb.rights)) if t.dep_ != "punct"), None)
    if last is None or last.dep_ != "prep" or last.lower_ not in HOW:
        return
    moved = [t for t in clause.tokens if t in subtree([last])]
    if (
        not moved
        or moved[-1] != clause.tokens[-1]
        or not any(t.pos_ in ("NOUN", "PROPN") for t in last.rights)
    ):
        return
    helpers = list(clause.verbs[:-1])
    does: list[Piece] = [*helpers, _DO_FORMS[verb.tag_]] if helpers else [_do(clause)]
    if clause.lead[1:]:
        does = [*clause.lead[1:], _DO_FORMS.get(verb.tag_, "do")]
    yield halves(draw("time", rng), [*clause.pronoun, *does, "so", *moved], clause.say(without=moved))


_DO_FORMS = {"VB": "do", "VBG": "doing", "VBN": "done", "VBD": "done", "VBP": "do", "VBZ": "do"}


def _do(clause: Clause) -> str:
    if clause.root.tag_ in ("VBD", "VBN"):
        return "did"
    return "does" if clause.root.tag_ == "VBZ" else "do"


def participial(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“he leaves , smiling”: “as he is smiling , he leaves”."""
    if clause.subject is None or clause.question or clause.subject.lower_ == "there":
        return
    for sub in clause.root.rights:
        if sub.dep_ != "advcl" or sub.tag_ not in ("VBG", "VBN") or subject_of(sub) is not None:
            continue
        tree = subtree([sub])
        moved = [t for t in clause.tokens if t in tree]
        if not moved or word_before(moved[0]) != "," or any(t.dep_ == "mark" for t in moved):
            continue
        yield halves(draw("addition", rng), [*clause.pronoun, clause.be(), *moved], clause.say(without=tree))


OPENING = {"despite", "with", "in", "at", "on", "for", "from", "behind", "under"}


def opened_by_adjunct(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“with its cast , it works”: “as it has its cast , it works”; so with “in”, “despite” and others."""
    first = clause.tokens[0] if clause.tokens else None
    if first is None or clause.subject is None or clause.question or first.head != clause.root:
        return
    if clause.subject.lower_ == "there":
        return
    if first.dep_ != "prep" or first.lower_ not in OPENING:
        return
    tree = subtree([first])
    phrase = [t for t in clause.tokens if t in tree]
    if (
        not any(
            t.dep_ == "pobj" and t.pos_ in ("NOUN", "PROPN") and t.lemma_ not in NO_TOPIC
            for t in first.rights
        )
        or len(phrase) < 3
    ):
        return
    for_all = [t.lower_ for t in phrase[:2]] == ["for", "all"]
    if first.lower_ == "for" and not for_all:
        return
    have = "had" if clause.past else "have" if clause.plural or _is_first_or_second(clause) else "has"
    if first.lower_ == "despite" or for_all:
        owned = phrase[1 + for_all :]
        yield halves(draw("contrast", rng), [*clause.pronoun, have, *owned], clause.say(without=tree))
    elif first.lower_ == "with":
        yield halves(draw("cause", rng), [*clause.pronoun, have, *phrase[1:]], clause.say(without=tree))
    else:
        yield halves(draw("time", rng), [*clause.pronoun, clause.be(), *phrase], clause.say(without=tree))


def _is_first_or_second(clause: Clause) -> bool:
    return clause.subject is not None and clause.subject.lower_ in ("i", "you", "we")


def modified(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“a tale told with wit”: “as it is told with wit , it is a tale”; so with “by”, “with”, “about”."""
    noun = predicate_noun(clause)
    if noun is None or clause.question or clause.negated or not clause.pronoun or clause.pronoun == ["there"]:
        return
    last = next((t for t in reversed(list(noun.rights)) if t.dep_ != "punct"), None)
    if last is None or any(t.dep_ in ("conj", "appos") for t in noun.rights):
        return
    moved = [t for t in clause.tokens if t in subtree([last])]
    if len(moved) < 2 or moved[0] != last or moved[-1] != clause.tokens[-1]:
        return
    if last.dep_ == "acl" and last.tag_ in ("VBN", "VBG"):
        sub: list[Piece] = [clause.be(), *moved]
    elif last.dep_ == "prep" and last.lower_ in ("about", "by"):
        sub = [clause.be(), *moved]
    elif last.dep_ == "prep" and last.lower_ == "with":
        sub = ["had" if clause.past else "have" if clause.plural else "has", *moved[1:]]
    else:
        return
    yield halves(draw("attribute", rng), [*clause.pronoun, *sub], clause.say(without=moved))


def judged(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it is hard to follow the plot”: “when you follow the plot , it is hard”."""
    it = clause.subject is not None and clause.subject.lower_ == "it" and clause.root.lemma_ == "be"
    adjective = next((t for t in clause.root.rights if t.dep_ == "acomp"), None) if it else None
    if adjective is None or clause.question or clause.negated:
        return
    for verb in (t for head in (clause.root, adjective) for t in head.rights if t.dep_ == "xcomp"):
        words = [t for t in clause.tokens if t in subtree([verb])]
        if verb.tag_ != "VB" or len(words) < 3 or words[0].lower_ != "to" or words[-1] != clause.tokens[-1]:
            continue
        if not any(t.dep_ in ("dobj", "ccomp", "xcomp", "attr", "acomp") for t in verb.rights):
            continue  # “it is hard to resist” is about what cannot be resisted
        told: list[Piece] = ["are" if t.lower_ == "be" else t for t in words[1:]]
        yield halves(draw("condition", rng), ["you", *told], clause.say(without=words))


def anything(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“they steal the show”: “if they steal anything , …”; “it is awful”: “if it is anything , …”."""
    verb = clause.root
    if clause.question or clause.negated or not clause.pronoun or clause.lead[:1] == ("you",):
        return
    if any(denies(t) or t.lower_ in LESSENING for t in verb.subtree if verb in (t.head, t.head.head)):
        return
    verbs: list[Piece] = list(clause.verbs)
    if clause.lead and verb.pos_ not in ("VERB", "AUX"):
        verbs = list(clause.lead[1:2])
    elif not clause.copular:
        thing = next((t for t in verb.rights if t.dep_ == "dobj"), None)
        if thing is None or thing.pos_ == "PRON" or verb.lemma_ in ("let", "help", "go", "get"):
            return
    yield halves("if", [*clause.pronoun, *verbs, "anything"], clause.say())


LESSENING = {"least", "almost", "only", "any", "anything"}
