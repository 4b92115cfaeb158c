"""When a sentence offers nothing to split: it stands whole behind an opening about what it mentions."""

import random
from collections.abc import Iterator

from backend.attacks.generators.syntax.clauses import Clause, is_finite, lead_of
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.pieces import Piece
from backend.attacks.generators.syntax.sense import sensible
from backend.attacks.generators.syntax.topics import mentioned, opened_by

ABOUT_IT = (
    "as it stands",
    "once it is over",
    "if you look at it",
    "as you can see",
    "when you think about it",
    "once you look closely",
    "since you ask about it",
    "now that you ask",
    "because you ask",
    "in case you wonder",
    "before you ask",
    "whenever you look at it",
    "wherever you look",
    "while we speak of it",
    "where it matters",
    "until we hear otherwise",
    "unless we are mistaken",
    "given that you ask",
)
ABOUT_ME = (
    "when i look back",
    "if i think about it",
    "as i see it",
    "as far as i am concerned",
    "where i am concerned",
    "since you ask me",
    "now that you ask me",
    "because you ask me",
    "in case you ask me",
    "before you ask me",
    "once i think about it",
    "whenever i think about it",
    "unless i am mistaken",
)
ASKING = (
    "if you think about it",
    "when you think about it",
    "as one may ask",
    "since one may ask",
    "once you think about it",
    "while we speak of it",
    "now that you say it",
    "before we go on",
)


def about_something(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """“it never builds any suspense”: “whenever suspense comes up , it never builds any suspense”."""
    things = mentioned(clause)
    if things:
        yield _whole(opened_by(rng.choice(things), rng), clause)


def general(clause: Clause, rng: random.Random) -> Iterator[Halves]:
    """The same where nothing is mentioned: behind an opening that fits any sentence."""
    openings: tuple[str, ...] = ASKING if clause.question else ABOUT_IT
    if clause.subject is not None and clause.subject.lower_ == "i" and not clause.question:
        openings = ABOUT_ME
    yield _whole(list(rng.choice(openings).split()), clause)


def _whole(sub: list[Piece], clause: Clause) -> Halves:
    """The sentence uncut; a fragment is completed where that gives a clause."""
    lead = clause.lead
    if not clause.lead and clause.subject is None:
        finite = any(is_finite(t) and t.dep_ not in ("relcl", "acl", "advcl") for t in clause.tokens)
        lead = () if finite else lead_of(clause.root)[0]
    made = halves("", sub, [*lead, *clause.tokens])
    return made if sensible(made, clause) else halves("", sub, list(clause.tokens))
