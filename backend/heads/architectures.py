"""Where the attention heads of each supported architecture are.  No torch here: checks use it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.base.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """Module paths below the base model; `{}` is the layer's number.

    A layer is attention (`query`, `key`, `value`, `output`), its normalisation with the residual, a
    feed-forward pair (`up`, `down`) and its normalisation with the residual."""

    title: str
    attention: str
    key: str
    value: str
    query: str
    output: str
    output_dropout: str | None
    attention_norm: str
    up: str
    down: str
    down_dropout: str
    output_norm: str
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    activation: str = "hidden_act"
    token_types: bool = True
    counts_behind_padding: bool = False


def _bert_like(title: str, counts_behind_padding: bool = False) -> Architecture:
    layer = "encoder.layer.{}"
    attention = f"{layer}.attention.self"
    return Architecture(
        title=title,
        attention=attention,
        key=f"{attention}.key",
        value=f"{attention}.value",
        query=f"{attention}.query",
        output=f"{layer}.attention.output.dense",
        output_dropout=f"{layer}.attention.output.dropout",
        attention_norm=f"{layer}.attention.output.LayerNorm",
        up=f"{layer}.intermediate.dense",
        down=f"{layer}.output.dense",
        down_dropout=f"{layer}.output.dropout",
        output_norm=f"{layer}.output.LayerNorm",
        counts_behind_padding=counts_behind_padding,
    )


ARCHITECTURES: dict[str, Architecture] = {
    "bert": _bert_like("BERT"),
    "roberta": _bert_like("RoBERTa", counts_behind_padding=True),
    "electra": _bert_like("ELECTRA"),
    "distilbert": Architecture(
        title="DistilBERT",
        attention="transformer.layer.{}.attention",
        key="transformer.layer.{}.attention.k_lin",
        value="transformer.layer.{}.attention.v_lin",
        query="transformer.layer.{}.attention.q_lin",
        output="transformer.layer.{}.attention.out_lin",
        output_dropout=None,
        attention_norm="transformer.layer.{}.sa_layer_norm",
        up="transformer.layer.{}.ffn.lin1",
        down="transformer.layer.{}.ffn.lin2",
        down_dropout="transformer.layer.{}.ffn.dropout",
        output_norm="transformer.layer.{}.output_layer_norm",
        layers="n_layers",
        heads="n_heads",
        activation="activation",
        token_types=False,
    ),
}


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a model's `config.json` names; raises UserError if it is not supported."""
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        supported = ", ".join(a.title for a in ARCHITECTURES.values())
        raise UserError(
            f"Excise does not know where the attention heads of a {kind or 'nameless'!r} model are. "
            f"Choose a model of one of the supported architectures: {supported}."
        )
    return ARCHITECTURES[kind]
