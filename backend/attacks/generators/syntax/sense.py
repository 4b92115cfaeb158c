"""Whether two halves read as English: checks of words and tags that catch what a wrong parse leads to."""

from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.clauses import SUBJECTS, Clause
from backend.attacks.generators.syntax.halves import Halves
from backend.attacks.generators.syntax.negation import denies
from backend.attacks.generators.syntax.nouns import PERSONAL
from backend.attacks.generators.syntax.pieces import Piece, written

if TYPE_CHECKING:
    from spacy.tokens import Token

BE = {"is", "are", "was", "were", "am"}
CONTENT = {"NOUN", "PROPN", "VERB", "ADJ", "NUM", "ADV"}
# Words that only join what they stand between, and go when a sentence is told apart.
JOINING = {"even", "just", "both", "either", "do"}
ENDS_NOTHING = {"DT", "PRP$", "CC", "TO", "WDT", "WP$", "MD", "PDT"}
BEGINS_NOTHING = {",", ":", "CC", "WDT", "TO", "POS", "VBZ", "MD", ".", "-RRB-"}
# “nothing about it fits”, misread as a thing that is nothing.
NO_PREDICATE = {"nothing", "nobody", "none", "few", "little"}
AFTER_BE = {
    ",",
    ":",
    "CC",
    "MD",
    "VBZ",
    "VBD",
    "VBP",
    "WDT",
    "NNP",
    "NNPS",
    "PRP",
    "UH",
    "POS",
    "-LRB-",
    "RP",
}


def sensible(made: Halves, clause: Clause) -> bool:
    """Whether both halves are built soundly, and say all that the clause said."""
    if not made.sub or not made.main:
        return False
    pronouns = [i for half in (made.sub, made.main) for i in _subjects(half)]
    if clause.nobody and pronouns:
        return False  # “few films work and last” says of no film that it lasts
    if made.opening and _opens_anew(made.sub[0]):
        return False
    if any(
        written(made.main[i]) == "that" and _tag([made.main[i]]) == "IN"
        for i in range(min(4, len(made.main)))
    ):
        return False  # “in fact , that …” belongs to what went before
    return _says_all(made, clause) and all(_whole(half) for half in (made.sub, made.main))


def _opens_anew(first: Piece) -> bool:
    """Whether it opens a clause itself: “since though …”, “now that lacking …”."""
    if isinstance(first, str):
        return False
    return first.tag_ in ("WRB", "VBG") or (
        first.tag_ == "IN" and (first.dep_ != "prep" or first.lower_ == "as")
    )


def _says_all(made: Halves, clause: Clause) -> bool:
    words = [written(piece).lower() for piece in (*made.opening.split(), *made.sub, *made.main)]
    said = set(words)
    for token in clause.tokens:
        content = token.pos_ in CONTENT and token.text[0].isalpha() and token.lower_ not in JOINING
        content = content and token.dep_ not in ("cc", "preconj", "mark")
        if (content or denies(token)) and token.lower_ not in said:
            return False
    denials = [t.lower_ for t in clause.tokens if denies(t)]
    return all(words.count(word) >= denials.count(word) for word in denials)


def _whole(half: list[Piece]) -> bool:
    if _tag(half[:1]) in BEGINS_NOTHING or _dangles(half):
        return False
    if any(_tag(half[i - 1 : i]) == "DT" for i in range(1, len(half)) if written(half[i]) == ","):
        return False  # “a , well-made film”
    commas = [i for i, piece in enumerate(half) if written(piece) == ","]
    if commas == [1] and (isinstance(half[0], str) or half[0].pos_ in ("NOUN", "PROPN", "PRON")):
        return False
    if any(i < 4 and _tag(half[i + 1 : i + 2]) == "TO" for i in commas):
        return False  # “he fails , to win”
    if any(not _follows(half, i) for i, piece in enumerate(half[:-1]) if isinstance(piece, str)):
        return False
    return not any(_cut_off(piece, half) for piece in half if not isinstance(piece, str))


def _dangles(half: list[Piece]) -> bool:
    """Whether it ends before its noun does: “a well acted”, “one of the”."""
    last = half[-1]
    if isinstance(last, str):
        return False
    if last.tag_ in ENDS_NOTHING and last.dep_ in ("det", "poss", "cc", "aux", "mark", "predet", "preconj"):
        return True
    for piece in reversed(half):
        if written(piece) in ("a", "an"):
            return True
        if isinstance(piece, str) or (piece.pos_ not in ("ADJ", "ADV", "CCONJ") and piece.tag_ != "VBN"):
            return False
    return False


def _follows(half: list[Piece], i: int) -> bool:
    """Whether what comes after an inserted word may do so: not “it of”, “they is”, “should rarely film”."""
    word = str(half[i]).lower()
    rest = [p for p in half[i + 1 :] if not _adverb(p)]
    after, tag = half[i + 1], _tag(half[i + 1 : i + 2])
    if word in BE:
        many = word == "are" and i > 0 and half[i - 1] in ("these", "they")
        if many and written(after) in ("a", "an", "this", "that"):
            return False
        aside = _adverb(after) and written((half[i + 2 : i + 3] or [""])[0]) == ","
        fits = tag not in AFTER_BE or written(after).lower() in ("well", "neither", "either", "both")
        fits = fits or (tag == "VBD" and written(after).endswith("ed"))
        return fits and written(after) not in BE | NO_PREDICATE and not aside
    if word == "should":
        if isinstance(after, str) or after.dep_ == "neg":
            return True
        return (
            bool(rest)
            and after.lower_ != "so"
            and (isinstance(rest[0], str) or rest[0].tag_ in ("VB", "VBP"))
        )
    if word not in PERSONAL or _is_object(half, i):
        return True
    verb = rest[0] if rest else ""
    if isinstance(verb, str):
        return verb != ""
    if word == "it" and verb.tag_ == "NNS" and verb.dep_ == "ROOT":
        return True
    if word in ("he", "she", "it"):
        return verb.tag_ in ("VBZ", "VBD", "MD") or (verb.tag_ == "VBP" and verb.pos_ == "AUX")
    return verb.tag_ in ("VBP", "VBD", "MD", "VB") or (verb.tag_ == "VBZ" and word == "it")


def _cut_off(token: "Token", half: list[Piece]) -> bool:
    """Whether one comma parts a subject from its verb: “gangs of new york , is”."""
    verb = token.head
    if token.dep_ not in SUBJECTS or verb.i < token.i or verb.dep_ == "relcl":
        return False
    if any(t.dep_ == "conj" for t in token.rights):
        return False
    places = {piece.i: place for place, piece in enumerate(half) if not isinstance(piece, str)}
    between = half[places[token.i] + 1 : places.get(verb.i, 0)]
    return [written(piece) for piece in between].count(",") == 1


def _subjects(half: list[Piece]) -> list[int]:
    """Where inserted pronouns stand that a verb follows."""
    return [
        i
        for i, piece in enumerate(half)
        if isinstance(piece, str) and piece.lower() in PERSONAL and not _is_object(half, i)
    ]


def _is_object(half: list[Piece], i: int) -> bool:
    """Whether an inserted pronoun comes behind a verb or a preposition of the sentence."""
    before = half[i - 1] if i else ""
    return not isinstance(before, str) and before.pos_ in ("VERB", "AUX", "ADP")


def _adverb(piece: Piece) -> bool:
    return not isinstance(piece, str) and (piece.pos_ in ("ADV", "PART") or piece.dep_ == "neg")


def _tag(pieces: list[Piece]) -> str:
    return pieces[0].tag_ if pieces and not isinstance(pieces[0], str) else ""
