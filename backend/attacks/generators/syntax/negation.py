"""Which words deny: a part of what they deny, said alone, could mean the opposite."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Token

NEGATIVE = {
    *("not", "n't", "no", "none", "nobody", "nothing", "nowhere", "neither", "nor", "never", "cannot"),
    *("hardly", "barely", "scarcely", "rarely", "seldom"),
}
# “few films” are hardly any, “a few films” and “the few films” are some.
HARDLY_ANY = {"few", "fewer", "little", "less"}
SOME = {"a", "an", "the", "this", "that", "these", "those", "quite", "its", "his", "her", "their"}


def denies(token: "Token") -> bool:
    """Whether it turns what is said to its opposite, or nearly so."""
    if token.dep_ == "neg" or token.lower_ in NEGATIVE:
        return True
    if token.lower_ not in HARDLY_ANY:
        return False
    before = [*token.head.lefts, *([token.nbor(-1)] if token.i > 0 else [])]
    return not any(t.lower_ in SOME for t in before if t.i < token.i)
