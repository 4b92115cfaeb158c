"""The one place that says where an architecture's heads are.  No torch here: checks read it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """Module paths below the base model; `{}` is the layer's number."""

    title: str
    attention: str
    key: str
    value: str
    query: str
    output: str
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"


def _bert_like(title: str) -> Architecture:
    attention = "encoder.layer.{}.attention.self"
    return Architecture(
        title=title,
        attention=attention,
        key=f"{attention}.key",
        value=f"{attention}.value",
        query=f"{attention}.query",
        output="encoder.layer.{}.attention.output.dense",
    )


ARCHITECTURES: dict[str, Architecture] = {
    "bert": _bert_like("BERT"),
    "roberta": _bert_like("RoBERTa"),
    "electra": _bert_like("ELECTRA"),
    "distilbert": Architecture(
        title="DistilBERT",
        attention="transformer.layer.{}.attention",
        key="transformer.layer.{}.attention.k_lin",
        value="transformer.layer.{}.attention.v_lin",
        query="transformer.layer.{}.attention.q_lin",
        output="transformer.layer.{}.attention.out_lin",
        layers="n_layers",
        heads="n_heads",
    ),
}


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a model's `config.json` names; raises UserError if it is not supported."""
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        has = ", ".join(a.title for a in ARCHITECTURES.values())
        raise UserError(
            f"Excise does not know where the attention heads of a {kind or 'nameless'!r} model are. "
            f"It knows {has}; choose a model of one of these."
        )
    return ARCHITECTURES[kind]
