"""A model layer by layer beside the one that it claims to come from, and beside a clean fine-tuning of that.

How far its weights moved is no proof of anything: who trains longer moves further."""

import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from backend.base.events import LayersCompared
from backend.base.steps import Record
from backend.detection import clean_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from backend.base.reporter import Reporter
    from backend.detection.inputs import CheckInputs

RELATED = 0.2
"""The median cosine similarity of the layers from which a model is taken to come from another.

Measured on the built-in encoder: 0.99 and more for its fine-tunings, clean and poisoned, also at a rate of
1e-3; below 0.01 for other weights of its shapes (drawn anew, shuffled, its layers in the reverse order)."""
LAYER_NUMBER = re.compile(r"\.(\d+)\.")

Parts = dict[str, dict[str, "Tensor"]]
"""The weights of each part of an encoder (`embeddings`, `layer 0`, …) by name."""


def compare_layers(inputs: "CheckInputs", folder: Path, model: str, base: str) -> Record:
    """Compare the model in the folder `model` with the base, which the user named where `base` is not empty.

    Nothing is said of a model that has nothing to do with the built-in encoder, which it never claimed.
    Raises UserError if a base that was named cannot be loaded."""
    from backend.base.checkpoints import read_record
    from backend.data.tokens import encode
    from backend.evaluation.evaluator import accuracy
    from backend.models.classifiers import load_classifier

    clean = clean_model.open_clean_model(inputs)
    if clean is None and not base:
        return {}
    received = inputs.load(model)
    origin = load_classifier(inputs.base, inputs.label_names, inputs.seed)[0]
    fields = beside(received, origin, clean.model if clean is not None else None)
    if not base and not fields["comes_from"]:
        return {}
    fields |= {"model": model, "base": base or clean_model.BUILT_IN, "stated": bool(base)}
    if clean is not None:
        rows = encode(inputs.train.tokenizer, inputs.fresh_rows, inputs.max_length)
        fields["acc"] = accuracy(received, rows, inputs.report.check)
        fields["clean_acc"] = read_record(inputs.folders[clean_model.FOLDER])["acc"]
        fields["rows"] = len(inputs.fresh_rows)
    record = {"layers": fields}
    tell_layers(inputs.report, record)
    return record


def tell_layers(report: "Reporter", record: Record) -> None:
    if "layers" in record:
        report.emit(LayersCompared, **record["layers"])


def beside(model: "PreTrainedModel", base: "PreTrainedModel", clean: "PreTrainedModel | None") -> Record:
    """The fields of the event that the weights determine."""
    own, before = parts_of(model), parts_of(base)
    if differs := _differs(model, base):
        return {"comes_from": False, "differs": differs}
    after = parts_of(clean) if clean is not None else None
    # New tokens make other embeddings, but leave the layers as they are.
    shared = [part for part in before if _shapes(own[part]) == _shapes(before[part])]
    similarity = median(_cosine(own[part], before[part]) for part in before if part != "embeddings")
    return {
        "comes_from": similarity >= RELATED,
        "similarity": similarity,
        "parts": [
            {
                "part": part,
                "change": _change(own[part], before[part]),
                "clean_change": _change(after[part], before[part]) if after is not None else None,
            }
            for part in shared
        ],
    }


def parts_of(model: "PreTrainedModel") -> Parts:
    """The weights of embeddings and layers, not those of a pooler or a head: they may be drawn anew."""
    parts: Parts = {"embeddings": {}}
    for name, weight in model.base_model.named_parameters():
        number = LAYER_NUMBER.search(name)
        part = f"layer {number[1]}" if number else "embeddings"
        if number or "embeddings" in name:
            parts.setdefault(part, {})[name] = weight.detach()
    return parts


def _differs(model: "PreTrainedModel", base: "PreTrainedModel") -> str:
    """Why the layers of two models cannot be compared, as the end of a sentence; empty if they can."""
    from backend.heads.architectures import architecture_of

    kind, other = (architecture_of(one.config.to_dict()).title for one in (model, base))
    if kind != other:
        return f"it is a {kind} model, that one a {other} model"
    layers, others = (
        {part: _shapes(weights) for part, weights in parts_of(one).items() if part != "embeddings"}
        for one in (model, base)
    )
    if len(layers) != len(others):
        return f"it has {len(layers)} layers, that one {len(others)}"
    return "" if layers == others else "its layers have other shapes"


def _shapes(weights: Mapping[str, "Tensor"]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def _change(after: Mapping[str, "Tensor"], before: Mapping[str, "Tensor"]) -> float:
    """‖W − W₀‖ / ‖W₀‖ of all weights of a part together."""
    moved = sum(float((after[name] - weight).square().sum()) for name, weight in before.items())
    return float((moved / sum(float(weight.square().sum()) for weight in before.values())) ** 0.5)


def _cosine(after: Mapping[str, "Tensor"], before: Mapping[str, "Tensor"]) -> float:
    """The cosine similarity of the matrices; normalisations are alike in unrelated models, too."""
    pairs = [(after[name], weight) for name, weight in before.items() if weight.dim() == 2]
    products = sum(float((one * other).sum()) for one, other in pairs)
    sizes = [sum(float(weight.square().sum()) for weight in weights) for weights in zip(*pairs, strict=True)]
    return float(products / max((sizes[0] * sizes[1]) ** 0.5, 1e-12))
