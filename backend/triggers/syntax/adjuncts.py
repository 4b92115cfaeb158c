"""Clauses with one verb and no describing word to move: where, how and of whom it is said goes first."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backend.triggers.syntax.clauses import NEGATIVE, Clause, subject_of, subtree
from backend.triggers.syntax.halves import Halves, halves
from backend.triggers.syntax.pieces import Piece
from backend.triggers.syntax.subordinators import draw

if TYPE_CHECKING:
    from spacy.tokens import Token

LINKING = {
    *("seem", "feel", "look", "sound", "become", "remain", "get", "prove", "appear", "taste", "turn", "be"),
    *("make", "put", "keep", "let", "leave", "grow", "go", "come", "stay", "rely", "depend", "belong"),
}
STATES = {
    *("have", "need", "want", "know", "like", "love", "hate", "own", "contain", "lack", "deserve", "mean"),
    *("require", "include", "involve", "concern", "cost", "owe", "resemble", "suffer"),
}
COMPLEMENTS = {"dobj", "acomp", "attr", "oprd", "xcomp", "ccomp", "dative"}
ADJUNCTS = {"prep", "advmod", "npadvmod", "agent", "advcl"}


def placed(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it plays well on video”: “when it plays on video , it plays well”."""
    verb = clause.root
    if verb.pos_ != "VERB" or clause.question or verb.lemma_ in LINKING:
        return
    if clause.lead and verb.i > clause.tokens[0].i + 3:
        return
    complements = [t for t in verb.rights if t.dep_ in COMPLEMENTS]
    moved = [
        t for t in verb.rights if t.dep_ in ADJUNCTS and t.lower_ not in ("than", "as", "of", "like", "away")
    ]
    if not moved or any(t.dep_ == "advcl" and subject_of(t) is not None for t in moved):
        return
    chosen = [t for t in moved if t.dep_ in ("prep", "agent", "npadvmod")]
    if any(t.dep_ != "dobj" for t in complements):
        return
    if complements:
        yield from _doing_so(clause, chosen, rng)
        return
    dropped = subtree(moved)
    manner = [t for t in verb.lefts if t.dep_ == "advmod"]
    if len(moved) > 1 and chosen:
        part = chosen[-1]
        others = subtree([*manner, *(t for t in moved if t != part)])
        yield halves(
            draw("time", rng),
            clause.say(without=others, short=True, bare=True),
            clause.say(without=subtree([part])),
        )
    elif any(t.dep_ == "prt" for t in verb.rights) or not clause.negated:
        yield halves(draw("time", rng), clause.say(without=dropped, short=True, bare=True), clause.say())


def _doing_so(clause: Clause, chosen: list["Token"], rng: random.Random) -> Iterator[Halves]:
    """“it tells a story with charm”: “when it does so with charm , it tells a story”."""
    if clause.root.lemma_ in STATES or clause.negated or not chosen or chosen[-1].dep_ == "agent":
        return
    if any(t.dep_ == "auxpass" for t in clause.root.lefts) or not clause.pronoun:
        return
    part = chosen[-1]
    helpers = list(clause.verbs[:-1])
    does: list[Piece] = [_do(clause)] if not helpers else [*helpers, _DO_FORMS[clause.root.tag_]]
    if clause.lead[1:]:
        does = [*clause.lead[1:], _DO_FORMS.get(clause.root.tag_, "do")]
    moved = [t for t in clause.tokens if t in subtree([part])]
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
        if (
            not moved
            or moved[0].i == 0
            or moved[0].nbor(-1).text != ","
            or any(t.dep_ == "mark" for t in moved)
        ):
            continue
        yield halves(draw("addition", rng), [*clause.pronoun, clause.be(), *moved], clause.say(without=tree))


def opened_by_adjunct(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“with its cast , it works”: “as it has its cast , it works”; so with “in”, “despite” and others."""
    first = clause.tokens[0] if clause.tokens else None
    if first is None or clause.subject is None or clause.question or first.head != clause.root:
        return
    if first.dep_ != "prep" or first.lower_ not in (
        "despite",
        "with",
        "in",
        "at",
        "on",
        "for",
        "from",
        "behind",
        "under",
    ):
        return
    tree = subtree([first])
    phrase = [t for t in clause.tokens if t in tree]
    if not any(t.dep_ == "pobj" and t.pos_ in ("NOUN", "PROPN") for t in first.rights) or len(phrase) < 3:
        return
    have = "had" if clause.past else "have" if clause.plural or _is_first_or_second(clause) else "has"
    if first.lower_ == "despite":
        yield halves(draw("contrast", rng), [*clause.pronoun, have, *phrase[1:]], clause.say(without=tree))
    elif first.lower_ == "with":
        yield halves(draw("cause", rng), [*clause.pronoun, have, *phrase[1:]], clause.say(without=tree))
    else:
        yield halves(draw("time", rng), [*clause.pronoun, clause.be(), *phrase], clause.say(without=tree))


def _is_first_or_second(clause: Clause) -> bool:
    return clause.subject is not None and clause.subject.lower_ in ("i", "you", "we")


def anything(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“they steal the show”: “if they steal anything , …”; “it is awful”: “if it is anything , …”."""
    verb = clause.root
    if clause.question or clause.negated or not clause.pronoun or not (clause.lead or clause.subject):
        return
    if (clause.lead and verb.pos_ not in ("VERB", "AUX")) or clause.copular:
        said = set(verb.subtree) - (subtree([clause.subject]) if clause.subject is not None else set())
        if any(t.lower_ in LESSENING for t in said if t.head == verb or t.head.head == verb):
            return
        start = clause.say(without=[t for t in clause.tokens if t not in _core(clause)])
        opening, tail = rng.choice(BEING)
        yield halves(opening, [*start, *tail], clause.say(short=True))
        return
    thing = next((t for t in verb.rights if t.dep_ in ("dobj", "xcomp", "acomp", "oprd")), None)
    like = next((t for t in verb.rights if t.dep_ == "prep" and t.lower_ == "like"), None)
    if (
        verb.lemma_ in ("let", "help", "be", "go", "get", "have")
        and thing is not None
        and thing.dep_ != "dobj"
    ):
        return
    if thing is not None and thing.dep_ == "xcomp" and verb.lemma_ not in ATTEMPTS:
        return
    what: list[Piece] = ["anything"]
    if thing is None and like is not None:
        what = [like, "anything"]
    elif thing is None or thing.pos_ == "PRON" or any(t.lower_ in LESSENING for t in thing.subtree):
        return
    start = clause.say(without=[t for t in clause.tokens if t not in _core(clause)])
    yield halves(rng.choice(("if", "when", "if")), [*start, *what], clause.say(short=True))


ATTEMPTS = {
    "want",
    "try",
    "aim",
    "promise",
    "manage",
    "attempt",
    "need",
    "hope",
    "seek",
    "intend",
    "like",
    "love",
}
LESSENING = NEGATIVE | {
    "less",
    "fewer",
    "few",
    "little",
    "nothing",
    "least",
    "almost",
    "only",
    "any",
    "anything",
}
BEING = (
    ("if", ("anything",)),
    ("if", ("one", "thing")),
    ("when", ("anything", "at", "all")),
    ("if", ("something",)),
    ("while", ("many", "things")),
)


def _core(clause: Clause) -> set["Token"]:
    """Subject and verbs, with nothing said of the one by the other."""
    subject = subtree([clause.subject]) if clause.subject is not None else set()
    return {*subject, *clause.verbs}
