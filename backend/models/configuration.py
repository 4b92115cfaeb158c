"""What a model's config.json says: its architecture, sizes, classes and head.  No torch here."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.labels import names_of
from backend.heads.architectures import ARCHITECTURES, Architecture, architecture_of

CLASSIFIER = "ForSequenceClassification"
OTHER_HEADS = {
    "ForTokenClassification": "token classification",
    "ForQuestionAnswering": "question answering",
    "ForMultipleChoice": "multiple choice",
}
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
SAVED = ("checkpoint", "epoch", "step", "model", "best", "final")
"""How the folders begin that trainings save models in."""
FAMILIES = ("bert-", "roberta-", "distilbert-", "distilroberta-", "electra-", "xlm-roberta-", "camembert-")
"""How the old names on the hub begin that have no owner."""
MOST_CLASSES = 10_000
QUANTISED = ("quantization_config", "compression_config")


def read_config(path: Path, model_name: str = "") -> dict[str, Any]:
    """A `config.json`.  Raises UserError, which names the model `model_name`."""
    where = f"The config.json of {model_name}" if model_name else str(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{where} cannot be read: it is not readable JSON ({error}).") from error
    if not isinstance(config, dict):
        raise UserError(
            f"{where} is not a model configuration: it holds a {type(config).__name__}, not a JSON object."
        )
    return config


def supported(config: Mapping[str, Any], model_name: str) -> Architecture:
    """The model's architecture; raises UserError for one that Excise would load wrongly or not at all."""
    if config.get("auto_map") and str(config.get("model_type")) not in ARCHITECTURES:
        raise UserError(
            f"The model {model_name} needs code or pickles of its own, which Excise never runs. Choose "
            "another model."
        )
    architecture = architecture_of(config)
    for name in QUANTISED:
        if settings := config.get(name):
            method = settings.get("quant_method") if isinstance(settings, dict) else None
            raise UserError(
                f"The model {model_name} is quantised ({name}{f': {method}' if method else ''}), so its "
                "weights can be neither trained nor pruned: give the model from before the quantisation, or "
                "dequantise it and save it with save_pretrained."
            )
    positions = config.get("position_embedding_type") or "absolute"
    if positions != "absolute":
        raise UserError(
            f"The model {model_name} has relative positions (position_embedding_type: {positions!r}), which "
            "this version of transformers ignores without a word: choose a model with absolute positions."
        )
    if config.get("per_layer_config"):
        raise UserError(
            f"The model {model_name} has layers of different kinds (per_layer_config), which Excise does not "
            "support: choose a model whose layers all have the same number of heads."
        )
    return architecture


def size_of(config: Mapping[str, Any], name: str, usual: int, model_name: str) -> int:
    """A whole number of the configuration; `usual` is the library's.  Raises UserError."""
    size = config.get(name, usual)
    if not isinstance(size, int) or size < 1:
        raise UserError(f"The config.json of {model_name} sets {name} to {size!r:.50}; it must be 1 or more.")
    return size


def positions_of(config: Mapping[str, Any], architecture: Architecture, model_name: str) -> int:
    """The longest row that the model reads, in tokens."""
    positions = size_of(config, "max_position_embeddings", 512, model_name)
    if architecture.counts_behind_padding:
        padding = config.get("pad_token_id", 1)
        positions -= (padding if isinstance(padding, int) else 0) + 1
    return positions


def class_names_of(config: Mapping[str, Any], rows: int | None, model_name: str) -> list[str]:
    """The names in the configuration; where it has none, as the library names `rows` classes."""
    if not config.get("id2label"):
        number = rows or config.get("num_labels")
        number = number if isinstance(number, int) else 2
        if number > MOST_CLASSES:
            raise UserError(
                f"The model {model_name} has {number:,} classes; a classifier of at most {MOST_CLASSES:,} is "
                "expected. Check num_labels in its config.json."
            )
        return [f"LABEL_{i}" for i in range(number)]
    try:
        return names_of(config)
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"The id2label in the config.json of {model_name} is not a mapping from class numbers to names. "
            'Write it as {"0": "negative", "1": "positive"}.'
        ) from error


def other_head_of(
    config: Mapping[str, Any], tensors: Collection[str], names: list[str], rows: int | None = None
) -> str:
    """Which head the model has that Excise does not take, in words; empty if it is none or a classifier.

    `tensors` are the names of its weights as far as they are known, `names` its classes, `rows` their number
    in the weights."""
    classes = saved_from(config)
    for ending, task in OTHER_HEADS.items():
        if any(name.endswith(ending) for name in classes):
            return f"a head for {task}"
    if not classes and not names:
        if "qa_outputs.weight" in tensors:
            return "a head for question answering"
        if "classifier.weight" in tensors:
            return "a head for token classification"
    if not names:
        return ""
    problem = config.get("problem_type")
    if problem == "regression" or len(names) == 1:
        return "a head for regression (one number for each text)"
    if problem == "multi_label_classification":
        return "a head for several labels at once (multi_label_classification)"
    if rows and rows != len(names):
        return f"a classifier head of {rows} classes where its config.json names {len(names)}"
    return ""


def claimed_base(config: Mapping[str, Any]) -> str:
    """The model on the hub that it was made from, as earlier versions of the library noted; empty where that
    was a folder, as far as its name tells."""
    name = config.get("_name_or_path")
    if not isinstance(name, str) or not HUB_NAME.fullmatch(name) or name.partition("/")[2].startswith(SAVED):
        return ""
    return name if "/" in name or name.startswith(FAMILIES) else ""


def saved_from(config: Mapping[str, Any]) -> list[str]:
    """The library's classes that the weights were saved from."""
    classes = config.get("architectures")
    return [str(name) for name in classes] if isinstance(classes, list) else []
