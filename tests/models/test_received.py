"""What is read of a model's folder before anything starts, and why one is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backend.base.errors import UserError
from backend.models.received import described_by, read_model
from tests.headers import CONFIG, bert_folder, classifier, encoder

Weights = dict[str, np.ndarray]


def changed(folder: Path, change: Callable[[Weights], Weights]) -> None:
    """The folder's weights as `change` makes them."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def problem(folder: Path) -> str:
    """Why the model is refused, in one line."""
    with pytest.raises(UserError) as caught:
        read_model(folder, "suspect").require_usable_head("suspect")
    said = str(caught.value)
    assert "\n" not in said and "suspect" in said
    return said


def test_a_whole_classifier_is_told_from_an_encoder(tmp_path: Path) -> None:
    whole = read_model(bert_folder(tmp_path / "whole", classifier(), id2label={"1": "good", "0": "bad"}))
    assert (whole.architecture.title, whole.layers, whole.heads) == ("BERT", 2, 4)
    assert whole.class_names == ["bad", "good"] and whole.has_head and whole.plain and not whole.notes
    alone = read_model(bert_folder(tmp_path / "alone", encoder(), architectures=["BertModel"]))
    masked = read_model(
        bert_folder(
            tmp_path / "masked",
            {f"bert.{name}": weight for name, weight in encoder().items()}
            | {"cls.predictions.transform.dense.weight": np.zeros((8, 8), dtype=np.float32)},
            architectures=["BertForMaskedLM"],
        )
    )
    for model in (alone, masked):
        assert model.class_names == [] and not model.has_head and model.plain


def test_classes_without_names_are_as_many_as_the_weights_have(tmp_path: Path) -> None:
    model = read_model(bert_folder(tmp_path / "model", classifier(classes=3)))
    assert model.class_names == ["LABEL_0", "LABEL_1", "LABEL_2"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["BertForTokenClassification"]}, "a head for token classification"),
        ({"architectures": ["BertForQuestionAnswering"]}, "a head for question answering"),
        ({"architectures": ["BertForMultipleChoice"]}, "a head for multiple choice"),
        ({"problem_type": "regression"}, "a head for regression"),
        ({"id2label": {"0": "LABEL_0"}}, "a head for regression"),
        ({"problem_type": "multi_label_classification"}, "several labels at once"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "a classifier head of 2 classes where"),
        ({"id2label": {"good": "1", "bad": "0"}}, "id2label"),
        ({"id2label": ["bad", "good"]}, "id2label"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "quantised (quantization_config: gptq)",
        ),
        ({"quantization_config": {"load_in_8bit": True}}, "quantised (quantization_config)"),
        ({"position_embedding_type": "relative_key_query"}, "relative positions"),
        ({"per_layer_config": {"0": {"num_attention_heads": 2}}}, "layers of different kinds"),
        ({"num_hidden_layers": 10**9}, "do not fit its config.json: encoder.layer.2."),
        ({"num_hidden_layers": "two"}, "sets num_hidden_layers to 'two'"),
        ({"num_attention_heads": 0}, "sets num_attention_heads to 0"),
        ({"hidden_size": 16}, "do not fit its config.json"),
        ({"num_attention_heads": 3}, "do not fit its config.json"),
        ({"num_attention_heads": 99}, "do not fit its config.json"),
        ({"vocab_size": 9}, "do not fit its config.json: embeddings.word_embeddings.weight"),
    ],
)
def test_a_configuration_of_another_kind_of_model_is_refused_by_name(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    assert said in problem(bert_folder(tmp_path / "model", classifier(), **config))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [("qa_outputs.weight", "question answering"), ("classifier.weight", "token classification")],
)
def test_another_head_is_known_by_its_weights_where_the_configuration_names_no_class(
    tmp_path: Path, tensor: str, said: str
) -> None:
    weights = {f"bert.{name}": weight for name, weight in encoder().items()}
    folder = bert_folder(tmp_path / "model", weights | {tensor: np.zeros((2, 8), dtype=np.float32)})
    assert said in problem(folder)


def test_integers_for_weights_are_refused_whatever_the_configuration_says(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    query = "bert.encoder.layer.1.attention.self.query.weight"
    changed(folder, lambda weights: weights | {query: weights[query].astype(np.int8)})
    assert "quantised" in problem(folder) and "I8" in problem(folder)


@pytest.mark.parametrize(
    "tensor", ["embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.key.weight"]
)
def test_weights_of_another_dimension_do_not_fit(tmp_path: Path, tensor: str) -> None:
    for shape in ((), (8,), (8, 8, 1)):
        folder = bert_folder(tmp_path / "model", encoder() | {tensor: np.zeros(shape, dtype=np.float32)})
        assert f"do not fit its config.json: {tensor}" in problem(folder)


def test_a_missing_tokenizer_is_said_with_the_files_that_are_expected(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    said = problem(folder)
    assert "no tokenizer: it needs tokenizer.json, or vocab.txt" in said and "folder above has" in said
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    assert read_model(folder).class_names


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    vocabulary = {f"word {number}": number for number in range(9)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    assert "has 9 tokens, but the model has only 8" in problem(folder)


def narrowed(weights: Weights, *layers: int) -> Weights:
    """Without the first of the four heads in some layers."""
    cut = dict(weights)
    for layer in layers:
        attention = f"bert.encoder.layer.{layer}.attention"
        for name in ("query", "key", "value"):
            cut[f"{attention}.self.{name}.weight"] = weights[f"{attention}.self.{name}.weight"][2:]
        output = f"{attention}.output.dense.weight"
        cut[output] = np.ascontiguousarray(weights[output][:, 2:])
    return cut


def test_heads_that_were_cut_out_are_known_where_the_configuration_tells_which(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", narrowed(classifier(), 1), pruned_heads={"1": [0], "0": []})
    model = read_model(folder)
    assert model.narrowed == {1: [0]} and not model.plain
    assert "without 1 of its attention heads (layer.head: 1.0)" in model.notes[0]


@pytest.mark.parametrize(
    "pruned_heads", [None, {}, {"1": [0, 1]}, {"0": [0]}, {"1": [7]}, {"1": ["0"]}, {"1": 1}]
)
def test_heads_that_were_cut_out_are_refused_where_it_does_not(tmp_path: Path, pruned_heads: object) -> None:
    folder = bert_folder(tmp_path / "model", narrowed(classifier(), 1), pruned_heads=pruned_heads)
    said = problem(folder)
    assert "Layer 1" in said and "3 attention heads" in said and "before its heads were cut out" in said


def test_heads_that_were_only_listed_as_pruned_are_there(tmp_path: Path) -> None:
    model = read_model(bert_folder(tmp_path / "model", classifier(), pruned_heads={"1": [0]}))
    assert model.narrowed == {} and model.plain


def test_a_decoder_is_said_to_be_read_as_an_encoder(tmp_path: Path) -> None:
    model = read_model(bert_folder(tmp_path / "model", classifier(), is_decoder=True))
    assert "is_decoder" in model.notes[0]


def test_a_configuration_alone_tells_the_classes(tmp_path: Path) -> None:
    config = CONFIG | {"architectures": ["BertForSequenceClassification"], "id2label": {0: "a", 1: "b"}}
    assert described_by(config, "suspect").class_names == ["a", "b"]
    assert described_by(config | {"architectures": ["BertModel"]}, "suspect").class_names == []
    several = described_by(config | {"problem_type": "multi_label_classification"}, "suspect")
    with pytest.raises(UserError, match="several labels"):
        several.require_usable_head("suspect")


def test_a_configuration_that_claims_a_billion_classes_is_refused_at_once() -> None:
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    with pytest.raises(UserError, match="1,000,000,000 classes; a classifier of at most 10,000 is expected"):
        described_by(config | {"num_labels": 10**9}, "suspect")
