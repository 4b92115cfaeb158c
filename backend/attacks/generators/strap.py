"""STRAP's per-style GPT-2 paraphrasers, as StyleBkd samples from them.

Source: Krishna, Wieting, Iyyer, EMNLP 2020, section 2, and the input format of their released models:
at most 50 subwords of the text, padded on the left to 50 and with the padding attended to, then the
beginning-of-text token, behind which the rewriting is sampled; the token types mark what is text and
what is rewriting.  As in StyleBkd, a rewriting has at most five subwords more than its text.

Their weights are pickled `.bin` files.  Only `pytorch_model.bin` is read, by `weights_only=True`;
their pickled training arguments never are.  Torch is imported where it is needed: to list triggers
must not load it.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.attacks.generators.insertion import draw_for
from backend.attacks.generators.sampling import nucleus
from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.hub import hub_reachable

if TYPE_CHECKING:
    from torch import Tensor

HUB_NAMES = {style: f"lievan/{style}" for style in ("bible", "shakespeare", "twitter", "lyrics", "poetry")}
TEXT_TOKENS = 50
LONGER_BY = 5
BATCH = 32
WEIGHTS = "pytorch_model.bin"
SAFE_WEIGHTS = "model.safetensors"
# Their tokenizers were saved by several versions of transformers, in some of these files.
FILES = (
    "config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
# The token types: of the text, and of the rewriting.
TEXT_TYPE, REWRITING_TYPE = "<tokens>", "<verb>"
# Buffers that older versions of transformers saved beside the weights, and tied or unused weights.
NO_WEIGHTS = (".attn.bias", ".attn.masked_bias", "lm_head.weight", "extra_embedding_project.weight")


@dataclass(frozen=True)
class Paraphraser:
    """A model with its tokenizer and the tokens that frame a text."""

    model: Any
    tokenizer: Any
    text_type: int
    rewriting_type: int


def source(name: str, agreed: bool) -> Path:
    """The folder of the paraphraser `name`: a local one, or the hub's, downloaded at first use.

    Raises UserError if the weights are pickled and the user did not agree, or the model does not exist
    or cannot be reached."""
    folder = typed_path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} is not the folder of a STRAP paraphraser: it has no config.json.")
        if not agreed and not (folder / SAFE_WEIGHTS).is_file():
            raise _not_agreed(str(folder))
        return folder
    if folder.is_absolute() or name.startswith((".", "~")):
        raise UserError(f"There is no folder {folder}: give a STRAP paraphraser's folder or a hub name.")
    downloaded = _downloaded(name)
    # Do not ask for agreement to something that cannot be downloaded.
    if downloaded is None and not hub_reachable():
        raise UserError(
            f"The paraphraser {name} is not on this machine and the Hugging Face hub cannot be reached "
            "from here; use the built-in variant, or give the folder of a copy as model."
        )
    weights = SAFE_WEIGHTS if _has_safe_weights(name, downloaded) else WEIGHTS
    if weights == WEIGHTS and not agreed:
        raise _not_agreed(name)
    return downloaded or _download(name, weights)


def _not_agreed(name: str) -> UserError:
    return UserError(
        f"The weights of {name} are a pickled .bin file, which can hide programs; Excise reads it in torch's "
        "weights-only mode, which refuses programs: set agree_to_bin_weights to true if that is fine with "
        "you, or use the built-in variant."
    )


def _downloaded(name: str) -> Path | None:
    """The folder of the hub's files, if they were downloaded before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise UserError(f"{name!r} is neither a folder on this machine nor a valid hub name.") from error
    present = [(folder / file).is_file() for file in ("config.json", WEIGHTS, SAFE_WEIGHTS)]
    return folder if present[0] and any(present[1:]) else None


def _has_safe_weights(name: str, downloaded: Path | None) -> bool:
    """Whether the paraphraser, here already or on the hub, comes with weights that are no pickle."""
    from huggingface_hub import HfApi

    if downloaded is not None:
        return (downloaded / SAFE_WEIGHTS).is_file()
    with _translate_errors(name):
        return HfApi().file_exists(name, SAFE_WEIGHTS)


def _download(name: str, weights: str) -> Path:
    """The few files that are needed from the hub; nothing else of the repository."""
    from huggingface_hub import snapshot_download

    with _translate_errors(name):
        return Path(snapshot_download(name, allow_patterns=[*FILES, weights]))


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Raise the errors of the hub's client, which depend on its HTTP library, as a UserError."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"{name} cannot be downloaded from the Hugging Face hub: {' '.join(str(error).split())[:200]}"
        ) from error


@lru_cache(maxsize=1)
def load(folder: Path) -> Paraphraser:
    """The paraphraser in `folder`, on this machine's device.  Raises UserError for unfit files."""
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

    from backend.base.device import probe

    weights = _weights(folder)
    try:
        tokenizer = GPT2Tokenizer.from_pretrained(folder, local_files_only=True)
        config = GPT2Config.from_pretrained(folder, local_files_only=True)
        # Old configurations may not count the special tokens that were added.
        config.vocab_size = weights["transformer.wte.weight"].shape[0]
        model = GPT2LMHeadModel(config)
        missing, unknown = model.load_state_dict(weights, strict=False)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{folder} is no GPT-2 paraphraser: {str(error).splitlines()[0]}") from error
    mismatched = [name for name in (*missing, *unknown) if not name.endswith(NO_WEIGHTS)]
    if mismatched:
        raise UserError(
            f"{folder} is no GPT-2 paraphraser: its weights do not match, such as {mismatched[0]}."
        )
    special = [tokenizer.convert_tokens_to_ids(token) for token in (TEXT_TYPE, REWRITING_TYPE)]
    frame = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    if (
        None in (*special, *frame)
        or tokenizer.unk_token_id in special
        or max(*special, *frame) >= config.vocab_size
    ):
        raise UserError(
            f"{folder} is no STRAP paraphraser: its tokenizer lacks the special tokens {TEXT_TYPE}, "
            f"{REWRITING_TYPE}, or those for beginning, end and padding."
        )
    model.tie_weights()
    return Paraphraser(model.to(probe().torch_device).eval(), tokenizer, *special)


def _weights(folder: Path) -> "dict[str, Tensor]":
    """The model's tensors: safetensors where there are, else the `.bin`, and nothing else in it."""
    import torch
    from safetensors.torch import load_file

    if (folder / SAFE_WEIGHTS).is_file():
        return load_file(folder / SAFE_WEIGHTS)
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder} holds neither {SAFE_WEIGHTS} nor {WEIGHTS}.")
    try:
        state = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(
            f"{folder / WEIGHTS} was refused: it holds something other than weights, or is damaged."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{folder / WEIGHTS} was refused: it is not a table of weights.")
    return state


def paraphrase(
    texts: Sequence[str],
    folder: Path,
    *,
    top_p: float,
    seed: int,
    progress: Callable[[int, int], None],
) -> list[str | None]:
    """Each text's rewriting; None for a text without letters, or for which nothing is sampled.

    Every row has its own random numbers, from its text and the seed.  Rows sampled together may still
    differ in rare words from the same rows sampled apart, where floating-point sums differ."""
    progress(0, len(texts))
    rewritten: list[str | None] = [None] * len(texts)
    rows = [row for row, text in enumerate(texts) if any(letter.isalpha() for letter in text)]
    if rows:
        paraphraser = load(folder)
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            for row, new in zip(
                batch, _sample([texts[i] for i in batch], paraphraser, top_p, seed), strict=True
            ):
                rewritten[row] = new or None
            progress(batch[-1] + 1, len(texts))
    progress(len(texts), len(texts))
    return rewritten


def _sample(texts: Sequence[str], by: Paraphraser, top_p: float, seed: int) -> list[str]:
    import torch

    device = by.model.device
    tokenizer = by.tokenizer
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"][:TEXT_TOKENS] for text in texts]
    pad, begin, end = tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id
    tokens = torch.tensor([[pad] * (TEXT_TOKENS - len(row)) + row + [begin] for row in ids], device=device)
    types = torch.full_like(tokens, by.text_type)
    types[:, -1] = by.rewriting_type
    draws = [draw_for(text, seed) for text in texts]
    limits = [len(row) + LONGER_BY for row in ids]
    sampled: list[list[int]] = [[] for _ in texts]
    open_rows = set(range(len(texts)))
    past = None
    with torch.inference_mode():
        while open_rows:
            out = by.model(input_ids=tokens, token_type_ids=types, past_key_values=past, use_cache=True)
            past = out.past_key_values
            drawn = nucleus(out.logits[:, -1].float(), top_p, draws)
            for row in list(open_rows):
                if drawn[row] != end:
                    sampled[row].append(drawn[row])
                if drawn[row] == end or len(sampled[row]) == limits[row]:
                    open_rows.remove(row)
            tokens = torch.tensor(drawn, device=device)[:, None]
            types = torch.full_like(tokens, by.rewriting_type)
    # Old tokenizer files do not say which of the added tokens are special: none is text.
    added = set(tokenizer.get_added_vocab().values())
    plain = [[token for token in row if token not in added] for row in sampled]
    return [" ".join(tokenizer.decode(row).split()) for row in plain]
