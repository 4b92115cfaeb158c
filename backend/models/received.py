"""A model as it was received: what its folder holds, and why Excise cannot take it.  No torch here.

Everything is read from config.json and from the headers of the weights, before anything starts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.labels import names_of
from backend.heads.architectures import Architecture, architecture_of
from backend.models.tensor_names import plain_names
from backend.models.tokenizer_files import require_embeddings, require_tokenizer
from backend.models.weights import TensorHeader, tensor_headers, weight_files

FLOATS = ("F64", "F32", "F16", "BF16")
CLASSIFIER = "ForSequenceClassification"
EMBEDDINGS = "embeddings.word_embeddings.weight"
OTHER_HEADS = {
    "ForTokenClassification": "token classification",
    "ForQuestionAnswering": "question answering",
    "ForMultipleChoice": "multiple choice",
}
QUANTISED = ("quantization_config", "compression_config")
Headers = Mapping[str, TensorHeader]
"""By the library's names, those of the encoder without the name of the base model."""


@dataclass(frozen=True)
class ReceivedModel:
    """`positions` is the longest row that it reads, in tokens.  `class_names` are those of its classifier
    head in its order, empty without a head of one class a text; `other_head` says which head it has instead
    that Excise does not take ("a head for question answering").  `tensor_names` are the library's names by
    those in the files.  `narrowed` are the heads that an earlier version of the library cut out of a layer's
    projections, by layer."""

    architecture: Architecture
    layers: int
    heads: int
    positions: int
    class_names: list[str] = field(default_factory=list)
    other_head: str = ""
    tensor_names: dict[str, str] = field(default_factory=dict)
    narrowed: dict[int, list[int]] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether the library reads its files as they are."""
        return not self.narrowed and all(name == plain for name, plain in self.tensor_names.items())

    @property
    def has_head(self) -> bool:
        """Whether it is more than an encoder."""
        return bool(self.class_names or self.other_head)

    @property
    def notes(self) -> list[str]:
        """What is loaded otherwise than it stands in the files, in sentences."""
        notes = []
        renamed = [(name, plain) for name, plain in self.tensor_names.items() if name != plain]
        if renamed:
            notes.append(
                f"The model's tensors have names of a training loop, such as {renamed[0][0]}; they are "
                f"loaded under the library's, such as {renamed[0][1]}."
            )
        if cut := [f"{layer}.{head}" for layer, heads in sorted(self.narrowed.items()) for head in heads]:
            notes.append(
                f"The model was received without {len(cut)} of its attention heads (layer.head: "
                f"{', '.join(cut[:10])}{' …' if len(cut) > 10 else ''}); they are loaded with zero weights."
            )
        return notes

    def require_usable_head(self, model_name: str) -> None:
        """Raise UserError if its head is one that Excise does not take."""
        if self.other_head:
            raise UserError(
                f"The model {model_name} has {self.other_head}, but Excise needs an encoder or a classifier "
                "that gives each text one of two or more classes: choose another model, or a fresh "
                "classifier head (head: fresh) to use its encoder alone."
            )


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


def described_by(config: Mapping[str, Any], model_name: str) -> ReceivedModel:
    """As much as the configuration tells of a model whose weights are not at hand.  Raises UserError."""
    architecture = _supported(config, model_name)
    claimed = any(name.endswith(CLASSIFIER) for name in _written_for(config))
    names = _class_names(config, None, model_name) if claimed else []
    other = _other_head(config, None, names)
    return ReceivedModel(
        architecture,
        layers=_size(config, architecture.layers, architecture.usual_layers, model_name),
        heads=_size(config, architecture.heads, 12, model_name),
        positions=_positions(config, architecture, model_name),
        class_names=[] if other else names,
        other_head=other,
    )


def read_model(folder: Path, model_name: str = "") -> ReceivedModel:
    """The model in a folder.  Raises UserError, which names it `model_name`, if its files are not complete
    and safe (see `weight_files`), or of a kind that Excise does not support."""
    model_name = model_name or str(folder)
    config = read_config(folder / "config.json", model_name)
    architecture = _supported(config, model_name)
    require_tokenizer(folder, architecture, model_name)
    in_files = tensor_headers(weight_files(folder, model_name))
    tensor_names = plain_names(in_files, architecture)
    headers = {
        plain.removeprefix(f"{architecture.base}."): in_files[name] for name, plain in tensor_names.items()
    }
    layers = _size(config, architecture.layers, architecture.usual_layers, model_name)
    heads = _size(config, architecture.heads, 12, model_name)
    hidden = _size(config, architecture.hidden, 768, model_name)
    _require_weights(headers, architecture, layers, config, model_name)
    require_embeddings(folder, headers[EMBEDDINGS].shape[0], model_name)
    narrowed = {
        layer: cut
        for layer in range(layers)
        if (cut := _cut_heads(headers, architecture, layer, (heads, hidden), config, model_name))
    }
    rows = _classes_in(headers, architecture)
    names = _class_names(config, rows, model_name) if rows else []
    other = _other_head(config, headers, names, rows)
    return ReceivedModel(
        architecture=architecture,
        layers=layers,
        heads=heads,
        positions=_positions(config, architecture, model_name),
        class_names=[] if other else names,
        other_head=other,
        tensor_names=tensor_names,
        narrowed=narrowed,
    )


def usable_model(folder: Path, model_name: str = "") -> ReceivedModel:
    """As `read_model`, of a model whose head can be used, too."""
    model = read_model(folder, model_name)
    model.require_usable_head(model_name or str(folder))
    return model


def _supported(config: Mapping[str, Any], model_name: str) -> Architecture:
    """The model's architecture; raises UserError for one that Excise would load wrongly or not at all."""
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


def _size(config: Mapping[str, Any], name: str, usual: int, model_name: str) -> int:
    size = config.get(name, usual)
    if not isinstance(size, int) or size < 1:
        raise UserError(f"The config.json of {model_name} sets {name} to {size!r:.50}; it must be 1 or more.")
    return size


def _positions(config: Mapping[str, Any], architecture: Architecture, model_name: str) -> int:
    """The longest row that the model reads, in tokens."""
    positions = _size(config, "max_position_embeddings", 512, model_name)
    if architecture.counts_behind_padding:
        positions -= (config.get("pad_token_id", 1) or 0) + 1
    return positions


def _require_weights(
    headers: Headers, architecture: Architecture, layers: int, config: Mapping[str, Any], model_name: str
) -> None:
    """Raise UserError if a layer's linear maps or the embeddings are missing, or are no floats."""
    linears = [path.format(layer) for layer in range(layers) for path in architecture.linears]
    names = [EMBEDDINGS, *(f"{path}.weight" for path in linears)]
    misfits = [name for name in names if name not in headers]
    tokens = config.get("vocab_size")
    if EMBEDDINGS in headers and isinstance(tokens, int) and headers[EMBEDDINGS].shape[:1] != (tokens,):
        misfits.append(EMBEDDINGS)
    if misfits:
        raise UserError(misfit(model_name, misfits))
    for name in names:
        if headers[name].dtype not in FLOATS:
            raise UserError(
                f"The weights of {model_name} are quantised ({name} has the type {headers[name].dtype}), so "
                "they can be neither trained nor pruned: give the model from before the quantisation."
            )


def misfit(model_name: str, tensors: list[str]) -> str:
    """That those tensors are not what the configuration asks for."""
    return (
        f"The weights of {model_name} do not fit its config.json: {len(tensors)} of the model's tensors are "
        f"missing or have another size (such as {sorted(tensors)[0]}). Save it again with its own config."
    )


def _cut_heads(
    headers: Headers,
    architecture: Architecture,
    layer: int,
    size: tuple[int, int],
    config: Mapping[str, Any],
    model_name: str,
) -> list[int]:
    """The heads that were cut out of a layer's projections, as transformers 4 did; empty if all are there."""
    heads, hidden = size
    paths = (architecture.query, architecture.key, architecture.value)
    shapes = [headers[f"{path.format(layer)}.weight"].shape for path in paths]
    output = headers[f"{architecture.output.format(layer)}.weight"].shape
    width, rest = output[-1], output[-1] % (hidden // heads)
    if rest or width > hidden or output != (hidden, width) or any(s != (width, hidden) for s in shapes):
        raise UserError(misfit(model_name, [f"{architecture.query.format(layer)}.weight"]))
    if width == hidden:
        return []
    written = config.get("pruned_heads")
    listed = written.get(str(layer)) if isinstance(written, dict) else None
    gone = sorted({head for head in listed or [] if isinstance(head, int) and 0 <= head < heads})
    left = width * heads // hidden
    if len(gone) != heads - left:
        raise UserError(
            f"Layer {layer} of the model {model_name} has the weights of {left} attention heads, where its "
            f"config.json says {heads}, and pruned_heads there does not say which are gone: give the model "
            "from before its heads were cut out."
        )
    return gone


def _classes_in(headers: Headers, architecture: Architecture) -> int:
    """The classes of a whole head for classification; 0 without one."""
    names = [f"{path.removeprefix(f'{architecture.base}.')}.weight" for path in architecture.classifier]
    return headers[names[-1]].shape[0] if all(name in headers for name in names) else 0


def _class_names(config: Mapping[str, Any], rows: int | None, model_name: str) -> list[str]:
    """The names in the configuration; where it has none, as the library names `rows` classes."""
    if not config.get("id2label"):
        number = rows or config.get("num_labels")
        return [f"LABEL_{i}" for i in range(number if isinstance(number, int) else 2)]
    try:
        return names_of(config)
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"The id2label in the config.json of {model_name} is not a mapping from class numbers to names. "
            'Write it as {"0": "negative", "1": "positive"}.'
        ) from error


def _other_head(
    config: Mapping[str, Any], headers: Headers | None, names: list[str], rows: int | None = None
) -> str:
    """Which head the model has that Excise does not take, in words; empty if it is none or a classifier."""
    classes = _written_for(config)
    for ending, task in OTHER_HEADS.items():
        if any(name.endswith(ending) for name in classes):
            return f"a head for {task}"
    if headers is not None and not classes and not names:
        if "qa_outputs.weight" in headers:
            return "a head for question answering"
        if "classifier.weight" in headers:
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


def _written_for(config: Mapping[str, Any]) -> list[str]:
    """The library's classes that the weights were saved from."""
    classes = config.get("architectures")
    return [str(name) for name in classes] if isinstance(classes, list) else []
