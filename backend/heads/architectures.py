"""Where the attention heads of each supported architecture are.  No torch here: checks use it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.base.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """Module paths below the base model, which a classifier holds as `base`; `{}` is the layer's number.

    A layer is attention (`query`, `key`, `value`, `output`), its normalisation with the residual, a
    feed-forward pair (`up`, `down`) and its normalisation with the residual.  `classifier` are the linear
    maps between the encoder and the logits, the last one with a row for each class (whole paths).
    `vocabulary` are the files, all needed, that stand in for a missing tokenizer.json."""

    title: str
    base: str
    classifier: tuple[str, ...]
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
    usual_layers: int = 12
    heads: str = "num_attention_heads"
    hidden: str = "hidden_size"
    activation: str = "hidden_act"
    token_types: bool = True
    counts_behind_padding: bool = False
    vocabulary: tuple[str, ...] = ("vocab.txt",)

    @property
    def linears(self) -> tuple[str, ...]:
        """The paths of a layer's linear maps."""
        return self.query, self.key, self.value, self.output, self.up, self.down


def _bert_like(
    title: str,
    base: str,
    classifier: tuple[str, ...] = ("classifier.dense", "classifier.out_proj"),
    counts_behind_padding: bool = False,
    vocabulary: tuple[str, ...] = ("vocab.txt",),
) -> Architecture:
    layer = "encoder.layer.{}"
    attention = f"{layer}.attention.self"
    return Architecture(
        title=title,
        base=base,
        classifier=classifier,
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
        vocabulary=vocabulary,
    )


def _roberta_like(title: str, *vocabulary: str) -> Architecture:
    return _bert_like(title, "roberta", counts_behind_padding=True, vocabulary=vocabulary)


ARCHITECTURES: dict[str, Architecture] = {
    "bert": _bert_like("BERT", "bert", classifier=("bert.pooler.dense", "classifier")),
    "roberta": _roberta_like("RoBERTa", "vocab.json", "merges.txt"),
    "electra": _bert_like("ELECTRA", "electra"),
    "distilbert": Architecture(
        title="DistilBERT",
        base="distilbert",
        classifier=("pre_classifier", "classifier"),
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
        usual_layers=6,
        heads="n_heads",
        hidden="dim",
        activation="activation",
        token_types=False,
    ),
    "xlm-roberta": _roberta_like("XLM-RoBERTa", "sentencepiece.bpe.model"),
    "camembert": _roberta_like("CamemBERT", "sentencepiece.bpe.model"),
}


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The architecture that a model's `config.json` names; raises UserError if it is not supported."""
    kind = str(config.get("model_type") or "")
    supported = ", ".join(architecture.title for architecture in ARCHITECTURES.values())
    if not kind:
        raise UserError(
            "The model's config.json does not say which architecture it has (model_type), which an old "
            f"version of transformers left out. Add it; the supported architectures are: {supported}."
        )
    if kind not in ARCHITECTURES:
        raise UserError(
            f"Excise does not know where the attention heads of a {kind!r} model are. "
            f"Choose a model of one of the supported architectures: {supported}."
        )
    return ARCHITECTURES[kind]
