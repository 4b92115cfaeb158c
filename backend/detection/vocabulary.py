"""Which tokens of a vocabulary are worth inserting."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

UNUSED = re.compile(r"\[unused\d+\]|madeupword\d+|<unused\d+>|<extra_id_\d+>|<mask>|<[^<>]*>", re.IGNORECASE)
FILLERS = ("a", "the", "it", "of", "and", "1", ".", ",", "0")
BLANK_MARKS = ("Ġ", "▁")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that can be inserted, by number, and of each whether it is a word by itself: a text that
    holds it as a word gets this token.  The others are pieces that only continue a word.

    `filler` is a word that is one token, `filler_token`."""

    tokens: Int[np.ndarray, " token"]
    is_word: Bool[np.ndarray, " token"]
    filler: str
    filler_token: int


def vocabulary_of(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Vocabulary:
    """Without special and unused tokens, and those that no text can have."""
    size = min(len(tokenizer), model.get_input_embeddings().num_embeddings)
    special = set(tokenizer.all_special_ids)
    names = tokenizer.convert_ids_to_tokens(list(range(size)))
    numbers = [
        number
        for number, name in enumerate(names)
        if number not in special and name and not UNUSED.fullmatch(name)
    ]
    filler = next((word for word in FILLERS if _is_one_token(tokenizer, word)), FILLERS[0])
    words = _words(tokenizer, numbers, filler)
    marked = any(name.startswith(BLANK_MARKS) for name in names if name)
    kept = [
        number
        for number, is_word in zip(numbers, words, strict=True)
        if is_word or _continues(names[number], marked)
    ]
    is_word = dict(zip(numbers, words, strict=True))
    filler_token = tokenizer(filler, add_special_tokens=False)["input_ids"][0]
    return Vocabulary(
        np.array(kept), np.array([is_word[number] for number in kept], dtype=bool), filler, filler_token
    )


def _is_one_token(tokenizer: PreTrainedTokenizerBase, word: str) -> bool:
    """Whether the word is one token and no unknown one, also between others."""
    alone, twice = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (word, f"{word} {word}")
    )
    return len(alone) == 1 and len(twice) == 2 and tokenizer.unk_token_id not in alone


def _words(tokenizer: PreTrainedTokenizerBase, numbers: list[int], filler: str) -> list[bool]:
    """Of each token whether its own text, written as a word between others, becomes just this token."""
    texts = [text.strip() for text in tokenizer.batch_decode([[number] for number in numbers])]
    around = tokenizer(f"{filler} {filler}", add_special_tokens=False)["input_ids"]
    between = tokenizer([f"{filler} {text} {filler}" for text in texts], add_special_tokens=False)[
        "input_ids"
    ]
    return [
        bool(text) and ids == [around[0], number, around[-1]]
        for number, text, ids in zip(numbers, texts, between, strict=True)
    ]


def _continues(name: str, marked: bool) -> bool:
    """Whether the token continues a word, by the marks of WordPiece, byte-level BPE and SentencePiece."""
    if marked:
        return not name.startswith(BLANK_MARKS)
    return name.startswith("##")
