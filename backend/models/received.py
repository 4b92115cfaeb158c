"""A model as it was received: what its folder holds, and why Excise cannot take it.  No torch here.

Everything is read from config.json and from the headers of the weights, before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.heads.architectures import Architecture
from backend.models.configuration import (
    CLASSIFIER,
    claimed_base,
    class_names_of,
    other_head_of,
    positions_of,
    read_config,
    saved_from,
    size_of,
    supported,
)
from backend.models.tensor_names import plain_names
from backend.models.tokenizer_files import require_embeddings, require_tokenizer
from backend.models.weights import TensorHeader, tensor_headers, weight_files

FLOATS = ("F64", "F32", "F16", "BF16")
EMBEDDINGS = "embeddings.word_embeddings.weight"
Headers = Mapping[str, TensorHeader]
"""By the library's names, those of the encoder without the name of the base model."""


@dataclass(frozen=True)
class ReceivedModel:
    """`positions` is the longest row that it reads, in tokens.  `class_names` are those of its classifier
    head in its order, empty without a head of one class a text; `other_head` says which head it has instead
    that Excise does not take ("a head for question answering").  `tensor_names` are the library's names by
    those in the files.  `narrowed` are the heads that an earlier version of the library cut out of a layer's
    projections, by layer.  `decoder`: it was saved as one, in which no token sees a later one.
    `claimed_base` is the model on the hub that it says it was made from."""

    architecture: Architecture
    layers: int
    heads: int
    positions: int
    class_names: list[str] = field(default_factory=list)
    other_head: str = ""
    tensor_names: dict[str, str] = field(default_factory=dict)
    narrowed: dict[int, list[int]] = field(default_factory=dict)
    decoder: bool = False
    claimed_base: str = ""

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
        if self.decoder:
            notes.append(
                "The model's config.json says is_decoder: true; it is loaded as an encoder, whose "
                "tokens all see each other."
            )
        return notes

    def require_usable_head(self, model_name: str) -> None:
        """Raise UserError if its head is one that Excise does not take."""
        if self.other_head:
            raise UserError(
                f"The model {model_name} has {self.other_head}, but Excise needs an encoder or a classifier "
                "that gives each text one of two or more classes, as its config.json names them: choose "
                "another model, or set model.head=fresh to train a new head on its encoder."
            )


def described_by(config: Mapping[str, Any], model_name: str) -> ReceivedModel:
    """As much as the configuration tells of a model whose weights are not at hand.  Raises UserError."""
    architecture = supported(config, model_name)
    claimed = any(name.endswith(CLASSIFIER) for name in saved_from(config))
    names = class_names_of(config, None, model_name) if claimed else []
    other = other_head_of(config, (), names)
    return ReceivedModel(
        architecture,
        layers=size_of(config, architecture.layers, architecture.usual_layers, model_name),
        heads=size_of(config, architecture.heads, 12, model_name),
        positions=positions_of(config, architecture, model_name),
        class_names=[] if other else names,
        other_head=other,
        claimed_base=claimed_base(config),
    )


def read_model(folder: Path, model_name: str = "") -> ReceivedModel:
    """The model in a folder.  Raises UserError, which names it `model_name`, if its files are not complete
    and safe (see `weight_files`), or of a kind that Excise does not support."""
    model_name = model_name or str(folder)
    config = read_config(folder / "config.json", model_name)
    architecture = supported(config, model_name)
    require_tokenizer(folder, architecture, model_name)
    in_files = tensor_headers(weight_files(folder, model_name))
    tensor_names = plain_names(in_files, architecture)
    headers = {
        plain.removeprefix(f"{architecture.base}."): in_files[name] for name, plain in tensor_names.items()
    }
    layers = size_of(config, architecture.layers, architecture.usual_layers, model_name)
    heads = size_of(config, architecture.heads, 12, model_name)
    hidden = size_of(config, architecture.hidden, 768, model_name)
    _require_weights(headers, architecture, layers, config, model_name)
    require_embeddings(folder, headers[EMBEDDINGS].shape[0], model_name)
    narrowed = {
        layer: cut
        for layer in range(layers)
        if (cut := _cut_heads(headers, architecture, layer, (heads, hidden), config, model_name))
    }
    rows = _classes_in(headers, architecture)
    names = class_names_of(config, rows, model_name) if rows else []
    other = other_head_of(config, headers, names, rows)
    return ReceivedModel(
        architecture=architecture,
        layers=layers,
        heads=heads,
        positions=positions_of(config, architecture, model_name),
        class_names=[] if other else names,
        other_head=other,
        tensor_names=tensor_names,
        narrowed=narrowed,
        decoder=bool(config.get("is_decoder")),
        claimed_base=claimed_base(config),
    )


def usable_model(folder: Path, model_name: str = "") -> ReceivedModel:
    """As `read_model`, of a model whose head can be used, too."""
    model = read_model(folder, model_name)
    model.require_usable_head(model_name or str(folder))
    return model


def _require_weights(
    headers: Headers, architecture: Architecture, layers: int, config: Mapping[str, Any], model_name: str
) -> None:
    """Raise UserError if a layer's linear maps or the embeddings are missing, or are no floats."""
    names = [EMBEDDINGS]
    for layer in range(layers):
        in_layer = [f"{path.format(layer)}.weight" for path in architecture.linears]
        if misfits := [name for name in in_layer if not _is_matrix(headers, name)]:
            raise UserError(misfit(model_name, misfits[0]))
        names += in_layer
    tokens = config.get("vocab_size")
    if not _is_matrix(headers, EMBEDDINGS) or (
        isinstance(tokens, int) and headers[EMBEDDINGS].shape[0] != tokens
    ):
        raise UserError(misfit(model_name, EMBEDDINGS))
    for name in names:
        if headers[name].dtype not in FLOATS:
            raise UserError(
                f"The weights of {model_name} are quantised ({name} has the type {headers[name].dtype}), so "
                "they can be neither trained nor pruned: give the model from before the quantisation."
            )


def _is_matrix(headers: Headers, name: str) -> bool:
    return name in headers and len(headers[name].shape) == 2


def misfit(model_name: str, tensor: str) -> str:
    """That a tensor is not what the configuration asks for."""
    return (
        f"The weights of {model_name} do not fit its config.json: {tensor} is missing or has another size. "
        "Save it again with its own config."
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
    width = output[1]
    if (
        hidden % heads
        or width % (hidden // heads)
        or width > hidden
        or output != (hidden, width)
        or any(s != (width, hidden) for s in shapes)
    ):
        raise UserError(misfit(model_name, f"{architecture.query.format(layer)}.weight"))
    if width == hidden:
        return []
    written = config.get("pruned_heads")
    listed = written.get(str(layer)) if isinstance(written, dict) else None
    listed = listed if isinstance(listed, list) else []
    gone = sorted({head for head in listed if isinstance(head, int) and 0 <= head < heads})
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
    return headers[names[-1]].shape[0] if all(_is_matrix(headers, name) for name in names) else 0
