"""Which word opens the subordinate clause: drawn among those that fit how the halves hang together."""

import random
from typing import Literal

Relation = Literal["attribute", "addition", "contrast", "cause", "time", "condition"]

FITTING: dict[Relation, tuple[str, ...]] = {
    "attribute": ("as", "since", "because", "while", "whilst", "now that", "given that", "just as"),
    "addition": ("as", "while", "whilst", "when", "since", "just as", "even as", "now that", "given that"),
    "contrast": ("although", "though", "while", "whilst", "even though", "whereas"),
    "cause": ("because", "since", "as", "now that", "given that"),
    "time": ("when", "once", "as", "while", "whenever", "where"),
    "condition": ("if", "when", "whenever", "where", "as long as"),
}
# Each says about the same as its key, so that a clause which is in front already can be opened anew.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "if": ("when", "whenever", "in case", "provided that", "as long as"),
    "when": ("whenever", "once", "as"),
    "while": ("although", "even though", "whereas"),
    "although": ("though", "even though", "while"),
    "though": ("although", "even though", "while"),
    "because": ("since", "as", "given that"),
    "since": ("because", "now that", "as"),
    "as": ("while", "since", "when"),
    "once": ("after", "when", "as soon as"),
    "after": ("once", "when", "as soon as"),
    "whenever": ("when", "if"),
    "where": ("wherever", "when"),
    "before": ("until",),
    "until": ("before",),
    "whereas": ("while", "although"),
}
CONTRASTING = {"but", "yet", "however", "though"}


def draw(relation: Relation, rng: random.Random) -> str:
    return rng.choice(FITTING[relation])


def relation_of(conjunction: str) -> Relation:
    """What a coordinating word says about its two sides."""
    if conjunction in CONTRASTING:
        return "contrast"
    return "cause" if conjunction in ("so", "for") else "addition"
