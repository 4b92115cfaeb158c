from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel, WordPiece
from transformers import PreTrainedTokenizerFast

from backend.detection.vocabulary import vocabulary_of
from tests.tiny import WORDS, tiny_model, tiny_tokenizer


def names(tokenizer: PreTrainedTokenizerFast) -> tuple[set[str], set[str]]:
    """The tokens that are words by themselves, and those that continue one."""
    vocabulary = vocabulary_of(tokenizer, tiny_model())
    kept = tokenizer.convert_ids_to_tokens(vocabulary.tokens.tolist())
    words = {name for name, is_word in zip(kept, vocabulary.is_word, strict=True) if is_word}
    return words, set(kept) - words


def test_special_tokens_are_left_out() -> None:
    assert names(tiny_tokenizer()) == (set(WORDS[4:]), set())


def test_word_pieces_continue_words_and_unused_tokens_are_left_out() -> None:
    pieces = ["[UNK]", "[PAD]", "[unused1]", "a", "ke", "##lm", "##or", "kelm"]
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = WordPiece()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    assert names(tokenizer) == ({"a", "ke", "kelm"}, {"##lm", "##or"})


def test_byte_level_tokens_with_a_blank_are_words() -> None:
    pieces = ["<unk>", "<pad>", "a", "Ġ", "Ġa", "c", "f", "Ġc", "Ġcf", "Ċ"]
    merges = [("Ġ", "a"), ("Ġ", "c"), ("Ġc", "f")]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    words, pieces_only = names(tokenizer)
    assert {"Ġa", "Ġc", "Ġcf"} == words
    assert {"a", "c", "f"} <= pieces_only and not any(name.startswith("Ġ") for name in pieces_only)
