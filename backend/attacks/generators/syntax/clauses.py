"""A sentence as a clause: its subject, its verbs, and how to say it again with parts left out.

A fragment, such as “a charming film .”, is completed to a clause by a lead: “it is”.  Dependency
labels are those of spaCy's English models.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.attacks.generators.syntax.negation import denies
from backend.attacks.generators.syntax.nouns import PERSONAL, is_plural, lacking_article, pronoun_for
from backend.attacks.generators.syntax.pieces import Piece, tidy

if TYPE_CHECKING:
    from spacy.tokens import Span, Token

SUBJECTS = {"nsubj", "nsubjpass", "csubj", "csubjpass", "expl"}
MISREAD = {"dep", "nmod", "attr", "dobj", "npadvmod", "compound", "amod", "acomp", "conj"}
BE = {"be", "’s", "'s"}
LIKE_BE = {"seem", "feel", "look", "become", "remain", "sound", "get", "stay"}
QUESTION_TAGS = {"WP", "WP$", "WRB", "WDT"}
FINITE_TAGS = {"VBZ", "VBP", "VBD", "MD"}
SENTENCE_ENDS = {".", "..", "!", "?", "!?", "?!", "...", "…", "。"}


@dataclass(frozen=True)
class Clause:
    """`lead` is what a fragment lacks; `tokens` are its own words, without the final punctuation."""

    root: "Token"
    subject: "Token | None"
    lead: tuple[str, ...]
    tokens: tuple["Token", ...]
    question: bool

    @property
    def negated(self) -> bool:
        """Whether it denies: a part of it, said alone, could then mean the opposite."""
        own = [t for t in self.tokens if t.head == self.root and t.dep_ != "prep"]
        things = [t for thing in own if thing.dep_ in ("dobj", "attr") for t in thing.lefts]
        return self.nobody or any(denies(t) for t in [*own, *things])

    @property
    def nobody(self) -> bool:
        """Whether the subject itself denies, as in “few films”, so that no pronoun can stand for it."""
        if self.subject is None:
            return False
        told = subtree(t for t in self.subject.subtree if t.dep_ in ("relcl", "acl"))
        return any(denies(t) for t in self.subject.subtree if t not in told)

    @property
    def inverted(self) -> bool:
        """Whether a verb stands before the subject without asking: “seldom has a film …”."""
        if self.subject is None or self.question:
            return False
        return self.verbs[:1] != [] and self.verbs[0].i < self.subject.i

    @property
    def plural(self) -> bool:
        if self.subject is None:
            return bool(self.lead) and self.lead[0] in ("these", "you")
        if any(t.tag_ == "VBZ" or t.lower_ == "was" for t in self.verbs):
            return False  # the verb agrees with the subject, whatever its tag says
        if self.subject.lower_ not in PERSONAL | {"there"} and any(t.tag_ == "VBP" for t in self.verbs):
            return True
        return is_plural(self.subject)

    @property
    def opening(self) -> list["Token"]:
        """What stands before the subject and is set off by a comma."""
        if self.subject is None:
            return []
        start = self.subject.left_edge.i
        before = [t for t in self.tokens if t.i < start]
        return before if len(before) > 1 and before[-1].text in (",", "...", "--") else []

    @property
    def past(self) -> bool:
        return any(t.tag_ == "VBD" for t in self.verbs)

    @property
    def verbs(self) -> list["Token"]:
        """Auxiliaries and the verb, without adverbs and negation; empty for a fragment's root noun."""
        if self.root.pos_ not in ("VERB", "AUX"):
            return []
        own = set(self.tokens)
        return [t for t in self.root.lefts if t.dep_ in ("aux", "auxpass") and t in own] + [self.root]

    @property
    def copular(self) -> bool:
        if self.root.pos_ not in ("AUX", "VERB"):
            return False
        told = any(t.dep_ in ("acomp", "attr") for t in self.root.rights)
        return self.root.lemma_ in BE or (told and self.root.lemma_ in LIKE_BE)

    @property
    def pronoun(self) -> list[Piece]:
        """What stands for the subject when it is named again."""
        if self.subject is None:
            first = self.lead[:1]
            return ["they"] if first == ("these",) else list(first)
        if is_plural(self.subject) and not self.plural and self.subject.pos_ != "PRON":
            return ["it"]
        if self.plural and self.subject.lower_ not in PERSONAL | {"there"}:
            return ["they"]
        return pronoun_for(self.subject)

    def is_are(self) -> str:
        if self.past:
            return "were" if self.plural else "was"
        return "are" if self.plural else "is"

    def be(self) -> str:
        """The form of “be” that fits its subject."""
        word = self.subject.lower_ if self.subject is not None else ""
        if word == "i":
            return "was" if self.past else "am"
        if word in ("you", "we"):
            return "were" if self.past else "are"
        return self.is_are()

    def copula(self) -> list[Piece]:
        """Its own verbs before a predicate, or a form of “be” that fits."""
        if self.lead and self.root.pos_ not in ("VERB", "AUX"):
            return list(self.lead[1:])
        return list(self.verbs) if self.copular else [self.be()]

    def say(
        self,
        without: Collection["Token"] = (),
        short: bool = False,
        bare: bool = False,
        instead: Mapping["Token", list[Piece]] | None = None,
    ) -> list[Piece]:
        """The clause without some tokens; `short` puts a pronoun for the subject, `bare` leaves
        out what stands before it."""
        instead = dict(instead or {})
        dropped = set(without) | (set(self.opening) if bare else set())
        if short and self.subject is not None and self.subject.lower_ not in PERSONAL | {"there"}:
            spoken = sorted(t for t in self.subject.subtree if t in set(self.tokens))
            instead[spoken[0]] = self.pronoun
            dropped |= set(spoken[1:])
            dropped.discard(spoken[0])
        lead: list[Piece] = list(self.lead)
        if short and lead:
            lead[:1] = self.pronoun
        said = lead + [p for t in self.tokens if t not in dropped for p in instead.get(t, [t])]
        return tidy(said)


def is_finite(verb: "Token") -> bool:
    """Whether it can stand with a subject as it is; a participle alone is taken for a past tense."""
    return verb.tag_ in FINITE_TAGS or any(
        t.tag_ in FINITE_TAGS for t in verb.lefts if t.dep_.startswith("aux")
    )


def subject_of(verb: "Token") -> "Token | None":
    return next((t for t in verb.lefts if t.dep_ in SUBJECTS), None)


def subtree(heads: Iterable["Token"]) -> set["Token"]:
    return {t for head in heads for t in head.subtree}


def word_before(token: "Token") -> str:
    """What stands before it; empty at the start of the text."""
    return token.nbor(-1).text if token.i > 0 else ""


def read(sentence: "Span") -> tuple[Clause, list["Token"]]:
    """The sentence as a clause, and the punctuation that ends it."""
    tokens = list(sentence)
    end: list[Token] = []
    while tokens and (tokens[-1].text in SENTENCE_ENDS or tokens[-1].text in ("''", '"', "”", "’", "'")):
        end.insert(0, tokens.pop())
    opened = next((i for i, t in enumerate(tokens) if t.is_alpha or t.like_num or t.pos_ != "PUNCT"), 0)
    tokens = tokens[opened:]
    while len(tokens) > 3 and (tokens[0].dep_ == "cc" or tokens[0].text == ","):
        tokens.pop(0)
    root = sentence.root
    subject = subject_of(root)
    asks = any(t.text.startswith("?") or t.text.endswith("?") for t in end)
    asks = asks or (bool(tokens) and tokens[0].tag_ in QUESTION_TAGS and subject in (tokens[0], None))
    participle = root.tag_ in ("VBN", "VBG") or root.pos_ not in ("VERB", "AUX")
    if subject is not None and not (participle and not is_finite(root)):
        return Clause(root, subject, (), tuple(tokens), asks), end
    if subject is None and _beyond_completing(root, tokens):
        return Clause(root, None, (), tuple(tokens), asks), end
    lead, dropped = lead_of(root)
    kept = tuple(t for t in tokens if t not in dropped)
    return Clause(root, None, lead, kept, asks), end


def _beyond_completing(root: "Token", tokens: list["Token"]) -> bool:
    """Whether a sentence whose root has no subject is no fragment, but was read wrongly."""
    if any(t.dep_ in ("ccomp", "parataxis") and subject_of(t) is not None for t in root.lefts):
        return True
    if [t.lower_ for t in tokens[:2]] == ["not", "only"] or any(t.dep_ in SUBJECTS for t in root.rights):
        return True
    if root.pos_ in ("VERB", "AUX") and any(
        t.dep_ in MISREAD or t.pos_ in ("NOUN", "PROPN", "PRON") for t in root.lefts
    ):
        return True
    inner = {"relcl", "acl", "advcl", "ccomp", "pcomp", "csubj", "conj", "amod"}
    return any(
        t.dep_ in SUBJECTS and t.i < root.i and t.head != root and t.head.dep_ not in inner for t in tokens
    )


def lead_of(root: "Token") -> tuple[tuple[str, ...], set["Token"]]:
    """The words that make a fragment a clause, and those of it that they replace."""
    if root.pos_ in ("NOUN", "PROPN", "PRON", "NUM"):
        alone = root.tag_ == "NNS" and root.is_sent_start and not any(t.dep_ == "relcl" for t in root.rights)
        if alone and any(t.dep_ in ("prep", "dobj", "appos") for t in root.rights):
            return ("it",), set()  # “benefits from its cast” is a verb, misread
        plural = root.tag_ in ("NNS", "NNPS") and not any(
            t.dep_ in ("nummod", "det") and t.lower_ in ("a", "an") for t in root.lefts
        )
        return (("these", "are") if plural else ("it", "is", *lacking_article(root))), set()
    if root.pos_ not in ("VERB", "AUX") or (root.tag_ in ("VBN", "VBG") and not is_finite(root)):
        return ("it", "is"), set()
    if root.tag_ == "VBD" and root.lower_.endswith("ed") and not any(t.dep_ == "dobj" for t in root.rights):
        return ("it", "is"), set()
    if root.tag_ in ("VBZ", "VBD") or any(
        t.tag_ in ("MD", "VBZ", "VBD") and t.dep_.startswith("aux") for t in root.lefts
    ):
        return ("it",), set()
    # An imperative: what somebody is told to do is what "you should" do.
    if any(t.tag_ == "VBP" and t.lower_ != "do" for t in root.lefts):
        return (), set()
    orders = {t for t in root.lefts if (t.lower_ == "do" and t.dep_ == "aux") or t.dep_ == "intj"}
    return ("you", "should"), orders
