"""What config.json says of a model, before anything is loaded."""

import json
from pathlib import Path

import pytest

from backend.models.facts import MINILM, facts_of
from backend.spec.run import ModelSpec


def write(folder: Path, content: object) -> ModelSpec:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return ModelSpec(source="folder", name=str(folder))


def test_a_classifier_tells_its_shape_and_classes(tmp_path: Path) -> None:
    config = {
        "model_type": "distilbert",
        "architectures": ["DistilBertForSequenceClassification"],
        "n_layers": 6,
        "n_heads": 12,
        "dim": 768,
        "vocab_size": 28_996,
        "id2label": {"1": "spam", "0": "ham"},
    }
    facts = facts_of(write(tmp_path, config))
    assert facts is not None
    assert (facts.architecture, facts.layers, facts.heads, facts.vocabulary) == ("DistilBERT", 6, 12, 28_996)
    assert facts.class_names == ["ham", "spam"]
    assert facts.layer_parameters == 12 * 6 * 768**2


def test_an_encoder_has_no_classes(tmp_path: Path) -> None:
    config = {"model_type": "bert", "num_hidden_layers": 6, "num_attention_heads": 12, "hidden_size": 384}
    facts = facts_of(write(tmp_path, config | {"architectures": ["BertModel"]}))
    assert facts == MINILM


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{",
        {},
        {"model_type": "mamba"},
        {"model_type": ["bert"]},
        {"model_type": "bert", "num_hidden_layers": None},
        {"model_type": "bert", "quantization_config": {"quant_method": "gptq"}},
    ],
)
def test_what_cannot_be_read_has_no_facts(tmp_path: Path, content: object) -> None:
    assert facts_of(write(tmp_path, content)) is None


@pytest.mark.parametrize("name", ["/no/such/folder", "~nobody-here/model", "x" * 5_000])
def test_a_folder_that_is_not_there_has_no_facts(name: str) -> None:
    assert facts_of(ModelSpec(source="folder", name=name)) is None
    assert facts_of(ModelSpec()) is None
