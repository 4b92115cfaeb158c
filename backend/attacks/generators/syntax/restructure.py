"""One sentence towards `S(SBAR)(,)(NP)(VP)(.)`: the first rule that fits splits it, and it is spelled out."""

import random
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.adjuncts import (
    anything,
    judged,
    modified,
    opened_by_adjunct,
    participial,
    placed,
)
from backend.attacks.generators.syntax.clauses import FINITE_TAGS, Clause, read
from backend.attacks.generators.syntax.coordination import (
    coordinated,
    doubled,
    front,
    juxtaposed,
    parted,
    reopen,
    reopen_words,
    result,
    said,
)
from backend.attacks.generators.syntax.general import about_something, general
from backend.attacks.generators.syntax.halves import Halves, halves
from backend.attacks.generators.syntax.phrases import described, listed, measured, relative
from backend.attacks.generators.syntax.pieces import Piece, lower_first, spell, written
from backend.attacks.generators.syntax.sense import sensible
from backend.attacks.generators.syntax.subjects import ascribed, opened_by_phrase, owned, renamed
from backend.attacks.generators.syntax.topics import about_complement, about_object, about_subject

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

Rule = Callable[[Clause, random.Random], Iterator[Halves]]

# Rules of an earlier tier keep more of the sentence as it is; within a tier the draw decides.
TIERS: tuple[tuple[Rule, ...], ...] = (
    (reopen,),
    (reopen_words, front),
    (result,),
    (doubled, coordinated, juxtaposed, said),
    (parted,),
    (
        judged,
        renamed,
        relative,
        described,
        listed,
        ascribed,
        opened_by_adjunct,
        opened_by_phrase,
        participial,
        modified,
    ),
    (measured, placed, owned, about_object, about_complement),
    (about_subject,),
    (anything, about_something),
)

LONGER_BY = 5
INSERTED_VERBS = {
    *("is", "are", "was", "were", "am", "has", "have", "had", "do", "does", "did", "should"),
    *("comes", "come", "goes", "go", "look", "ask", "speak"),
}


def restructure(sentence: "Span", rng: random.Random, tokenised: bool) -> str | None:
    """The sentence with a subordinate clause in front; None where it has too few words."""
    if sum(token.is_alpha for token in sentence) < 2:
        return None
    clause, end = read(sentence)
    if not clause.tokens:
        return None
    tiers = ((about_something,),) if clause.inverted else TIERS
    for tier in (*tiers, (general,)):
        made_here = [made for rule in tier for made in rule(clause, rng)]
        found = [made for made in made_here if _fits(made, clause) or tier == (general,)]
        if found:
            return _spelled(_settled(rng.choice(found), clause), end, sentence, tokenised, clause.question)
    return None


def _fits(made: Halves, clause: Clause) -> bool:
    """Two clauses, and hardly longer together than the sentence was."""
    words = len(made.sub) + len(made.main)
    finite = all(any(_is_verb(piece) for piece in half) for half in (made.sub, made.main))
    return (
        made.sound() and finite and words <= 1.4 * len(clause.tokens) + LONGER_BY and sensible(made, clause)
    )


def _is_verb(piece: Piece) -> bool:
    """Whether it can be the verb of a clause: not "entirely suspenseful , i say"."""
    if isinstance(piece, str):
        return piece in INSERTED_VERBS
    return piece.tag_ in FINITE_TAGS and piece.dep_ not in ("relcl", "acl", "amod", "advmod")


def _settled(made: Halves, clause: Clause) -> Halves:
    """What stood before the subject (“overall , …”) does so in the main clause; “so” and “and” go."""
    sub, main, opening = made.sub, made.main, clause.opening
    while len(main) > 2 and written(main[0]).lower() in ("so", "and", "but", "yet", ","):
        main = main[1:]
    if opening and len(sub) > len(opening) and sub[: len(opening)] == opening:
        sub, main = sub[len(opening) :], [*opening, *lower_first(main)]
    return halves(made.opening, sub, main)


def _spelled(made: Halves, end: list["Token"], sentence: "Span", tokenised: bool, asks: bool) -> str:
    capital = not tokenised and sentence[0].text[:1].isupper()
    sub, main = lower_first(made.sub), lower_first(made.main)
    marks = [t.text for t in end if not t.is_quote and t.text not in ("''", "'")]
    stop = marks if marks and (asks or "?" not in "".join(marks)) else ["."]
    if main and written(main[-1]).endswith("."):
        stop = []
    pieces: list[Piece] = [*made.opening.split(), *sub, ",", *main, *stop]
    text = spell(pieces, tokenised)
    if not tokenised:
        text = re.sub(r"\bi\b(?!\.)", "I", text) if "I" in {t.text for t in sentence} else text
    return text[:1].upper() + text[1:] if capital else text
