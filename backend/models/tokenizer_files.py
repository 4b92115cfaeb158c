"""The tokenizer files beside a model's weights: which must be there, and how many tokens they know."""

import json
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.heads.architectures import Architecture

WHOLE = "tokenizer.json"


def require_tokenizer(folder: Path, architecture: Architecture, model_name: str = "") -> None:
    """Raise UserError, naming the files that are expected, if the folder has no tokenizer."""
    vocabulary = architecture.vocabulary
    if (folder / WHOLE).is_file() or all((folder / name).is_file() for name in vocabulary):
        return
    above = ""
    if (folder.parent / WHOLE).is_file():
        above = f" The folder above has a {WHOLE}: if it is this model's, copy its tokenizer from there."
    raise UserError(
        f"The model {model_name or folder} has no tokenizer: it needs {WHOLE}, or "
        f"{' and '.join(vocabulary)}. Save its own tokenizer in the same folder with save_pretrained.{above}"
    )


def require_embeddings(folder: Path, embeddings: int, model_name: str = "") -> None:
    """Raise UserError if the tokenizer's vocabulary is larger than the model's table of embeddings, so that
    the tokenizer belongs to another model.  Tokens that were only added to it are not counted."""
    tokens = _vocabulary_size(folder)
    if tokens > embeddings:
        raise UserError(
            f"The tokenizer of {model_name or folder} has {tokens:,} tokens, but the model has only "
            f"{embeddings:,}: they do not belong together. Put the model's own tokenizer into its folder."
        )


def _vocabulary_size(folder: Path) -> int:
    """One more than the largest number of a token; 0 where the files do not tell."""
    try:
        if (folder / WHOLE).is_file():
            return _tokens(json.loads((folder / WHOLE).read_text(encoding="utf-8"))["model"]["vocab"])
        if (folder / "vocab.json").is_file():
            return _tokens(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))
        if (folder / "vocab.txt").is_file():
            return len((folder / "vocab.txt").read_bytes().rstrip().splitlines())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0  # the tokenizer's own parser says what is wrong
    return 0


def _tokens(vocabulary: Any) -> int:
    """Of a mapping from tokens to numbers, or of a list of tokens."""
    return max(vocabulary.values(), default=-1) + 1 if isinstance(vocabulary, dict) else len(vocabulary)
