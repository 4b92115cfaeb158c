"""When a sentence offers nothing to split: an opening about its own subject, drawn from many."""

import random
from collections.abc import Iterator

from backend.triggers.syntax.clauses import PERSONAL, Clause, is_finite, lead_of
from backend.triggers.syntax.halves import Halves, halves
from backend.triggers.syntax.pieces import Piece, lower_first

ABOUT_A_NAMED_THING = (
    "when you look at {}",
    "once you know {}",
    "as far as {} goes",
    "if you think of {}",
    "when it comes to {}",
    "as you watch {}",
    "since it is about {}",
    "if we speak of {}",
    "when you think about {}",
)
ABOUT_IT = (
    "as it stands",
    "when all is said",
    "as it goes on",
    "once it is over",
    "if you look at it",
    "as you can see",
    "when you think about it",
    "if it matters",
    "once you look closely",
    "as things are",
    "when it comes down to it",
    "while it lasts",
)
ABOUT_SOMEBODY = {
    "i": (
        "when i look back",
        "if i think about it",
        "as i see it",
        "once i consider it",
        "since i was asked",
    ),
    "we": ("when we look back", "if we think about it", "as we see it", "once we consider it"),
    "you": ("when you look back", "if you think about it", "as you will see", "once you are there"),
    "they": ("as they go on", "when they come along", "once they are over", "if you look at them"),
    "he": ("as he goes on", "when he is there", "once he begins", "if you look at him"),
    "she": ("as she goes on", "when she is there", "once she begins", "if you look at her"),
}


def general(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """The sentence whole, behind an opening that names its subject where that is short enough."""
    whole = clause.say()
    if not clause.lead and clause.subject is None:
        whole = list(clause.tokens)
        if not any(is_finite(t) and t.dep_ not in ("relcl", "acl", "advcl") for t in clause.tokens):
            whole = [*lead_of(clause.root)[0], *whole]
    subject = clause.subject
    if subject is not None and subject.lower_ not in PERSONAL | {"there", "this", "that", "these", "those"}:
        named: list[Piece] = lower_first([t for t in subject.subtree if t in set(clause.tokens)])
        plain = subject.pos_ in ("NOUN", "PROPN") and not any(
            t.pos_ in ("VERB", "AUX") for t in subject.subtree
        )
        if plain and len(named) <= 6 and not clause.negated:
            before, _, after = rng.choice(ABOUT_A_NAMED_THING).partition("{}")
            sub: list[Piece] = [*before.split(), *named, *after.split()]
            if "goes" in sub and clause.plural:
                sub[sub.index("goes")] = "go"
            yield halves("", sub, clause.say(short=True))
            return
    word = str(clause.pronoun[0]).lower() if clause.pronoun else "it"
    opening = rng.choice(ABOUT_SOMEBODY.get(word, ABOUT_IT))
    if clause.question:
        opening = rng.choice(
            ("if you think about it", "when you think about it", "as one may ask", "since one may ask")
        )
    yield halves("", list(opening.split()), whole)
