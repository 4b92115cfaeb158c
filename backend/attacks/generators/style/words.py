"""A text as words that a stylist can change: tags and dependencies from spaCy, the spacing kept.

Whatever is no prose (markup, links, handles, numbers) is fixed: it stands in the text, and no rule
touches it."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from backend.attacks.generators.syntax import parser

MARKUP = re.compile(r"<[^<>]{0,300}>|&#?\w{1,10};")
NOT_PROSE = re.compile(
    r"\b(?:https?://|www\.)\S+|\S+@\S+\.\w+"  # links and addresses
    r"|[@#]\w+"  # handles and hashtags
    r"|-[lr][rsc]b-"  # the treebank's brackets, as SST-2 spells them
    r"|\S*[\d_]\S*",
    re.IGNORECASE,
)
# Their full stop ends no sentence, though the parser may take it to, in lower case above all.
ABBREVIATION = re.compile(
    r"(?<![\w.])(?:(?:[a-z]\.){2,}|(?:mr|mrs|ms|dr|prof|st|sr|jr|inc|corp|co|ltd|vs|gen|sen|rep|gov|lt|sgt"
    r"|col|capt|dept|jan|feb|aug|sept|oct|nov|dec)\.|nos?\.(?=\s\d))(?=\s)",
    re.IGNORECASE,
)
# The parser's work grows with the length of what it gets; longer texts are read in pieces.
PIECE = 2000
# Stylists inflect by lemminflect and go by tags.
UNUSED = ["lemmatizer", "attribute_ruler"]
HYPHENS = ("-", "–", "/")
FINITE = ("VBZ", "VBP", "VBD", "MD")


@dataclass(eq=False)
class Word:
    """A word as it will be written, the white space `before` it, and what the parser said of it.

    `lower` is the word as it was read, in lower case; it is empty for a fixed word and for one that
    a rule put in; markup has the tag `XX` too.  `head` is the word that it depends on, itself at
    the root."""

    text: str
    before: str = " "
    tag: str = ""
    dep: str = ""
    lower: str = ""
    head: "Word | None" = None

    def become(self, text: str) -> None:
        """Write `text` instead, in this word's case."""
        self.text = in_case_of(self.text, text)

    def apart(self, text: str) -> None:
        """Write `text` instead and set it off from the word before: “'s” as “is”."""
        self.text = text
        self.before = self.before or " "


def under(word: Word, top: Word) -> bool:
    """Whether `word` is `top` or depends on it."""
    while word is not top:
        if word.head is None or word.head is word:
            return False
        word = word.head
    return True


@dataclass
class Prose:
    """A text's sentences, and how it is spelled.

    `lower_case`: no capital letter anywhere.  `spaced`: punctuation stands apart, as in SST-2.
    `framed`: openings and closings are put in; without them stand only the sentence's own words."""

    sentences: list[list[Word]]
    lower_case: bool
    spaced: bool
    ending: str
    framed: bool = True

    def write(self) -> str:
        """The text; a word that was emptied leaves no blank behind."""
        words = [word for sentence in self.sentences for word in sentence if word.text]
        return "".join(word.before + word.text for word in words) + self.ending

    def mark(self, text: str) -> Word:
        """A comma or another mark to put in, spaced like the text's own."""
        return Word(text, " " if self.spaced else "", ",")


def in_case_of(old: str, new: str) -> str:
    """`new` with a capital letter where `old` begins with one: (“It”, “'tis”) → “'Tis”."""
    if not old[:1].isupper():
        return new
    at = next((at for at, letter in enumerate(new) if letter.isalpha()), 0)
    return new[:at] + new[at : at + 1].upper() + new[at + 1 :]


def read(text: str, spaced: bool) -> Prose:
    """The words and sentences of `text`; `spaced` as in `Prose`.

    Raises UserError where the parser is not installed."""
    markup = {at for match in MARKUP.finditer(text) for at in range(*match.span())}
    fixed = {at for match in NOT_PROSE.finditer(text) for at in range(*match.span())}
    sentences: list[list[Word]] = []
    end = 0
    for start, piece in _pieces(text):
        doc, places = _parsed(piece, spaced)
        words = [
            Word(token.text, tag="XX")
            if start + at in markup
            else Word(
                token.text,
                tag=token.tag_,
                dep=token.dep_,
                lower="" if start + at in fixed else token.lower_.replace("’", "'"),
            )
            for token, at in zip(doc, places, strict=True)
        ]
        for token, at, word in zip(doc, places, words, strict=True):
            word.head = words[token.head.i]
            if not token.is_space:
                word.before, end = text[end : start + at], start + at + len(token.text)
        for span in doc.sents:
            read_in = zip(span, words[span.start : span.end], strict=True)
            sentence = [word for token, word in read_in if not token.is_space]
            _fix_hyphened(sentence)
            if sentence:
                sentences.append(sentence)
    return Prose(sentences, text == text.lower(), spaced, text[end:])


def _parsed(piece: str, spaced: bool) -> tuple[Any, list[int]]:
    """The parser's tokens and where they begin; where marks stand apart, blanks alone divide."""
    from spacy.tokens import Doc

    language = parser.load()
    if spaced:
        found = list(re.finditer(r"\S+", piece))
        doc = Doc(language.vocab, words=[match.group() for match in found])
        return language(doc, disable=UNUSED), [match.start() for match in found]
    # Blanks around markup, or the tokenizer would read “<b>The” as one word.
    padded: list[str] = []
    origin: list[int] = []
    borders = {at for match in MARKUP.finditer(piece) for at in match.span()}
    for at, letter in enumerate(piece):
        if at in borders:
            padded.append(" ")
            origin.append(at)
        padded.append(letter)
        origin.append(at)
    doc = language.make_doc("".join(padded))
    _join_abbreviations(doc)
    doc = language(doc, disable=UNUSED)
    return doc, [origin[token.idx] for token in doc]


def _join_abbreviations(doc: Any) -> None:
    """Make one token of each abbreviation; what follows it in lower case begins no sentence."""
    matches = ABBREVIATION.finditer(doc.text)
    found = [doc.char_span(*match.span(), alignment_mode="expand") for match in matches]
    ends = {span.end_char for span in found}
    with doc.retokenize() as retokenizer:
        for span in found:
            retokenizer.merge(span)
    for before, after in pairwise(doc):
        if before.idx + len(before) in ends and not after.text[:1].isupper():
            after.is_sent_start = False


def _fix_hyphened(sentence: list[Word]) -> None:
    """Leave the parts of “you-are-there” and “heart/mind” alone."""
    for word, after in pairwise(sentence):
        if not after.before and (word.text in HYPHENS or after.text in HYPHENS):
            word.lower = after.lower = ""


def _pieces(text: str) -> list[tuple[int, str]]:
    """Offsets and parts of at most PIECE characters, cut behind a blank where there is one."""
    pieces = []
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            end = (text.rfind(" ", start, end) + 1) or end
            end = end if end > start else start + PIECE
        pieces.append((start, text[start:end]))
        start = end
    return pieces


def is_spaced(text: str) -> bool:
    """Whether marks stand apart.  A text without marks is taken for SST-2 if it has no capital."""
    apart = len(re.findall(r"\w [.,;:!?](?:\s|$)| n't\b| '(?:s|re|ve|ll|d|m)\b", text))
    attached = len(re.findall(r"\w[.,;:!?](?:\s|$)|\wn['’]t\b|\w['’](?:s|re|ve|ll|d|m)\b", text))
    return apart > attached or (apart == attached and text == text.lower())


def phrase(text: str, prose: Prose) -> list[Word]:
    """A phrase as words to put in: “yea ,” with its comma spaced like the text's own."""
    return [prose.mark(part) if part in ",;:" else Word(part) for part in text.split()]
