"""Victims from everywhere, and what is said of those that cannot be loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.base.errors import UserError
from backend.data.rows import Dataset
from backend.data.tokens import encode
from backend.evaluation.evaluator import logits
from backend.heads.grid import HeadGrid
from backend.models import classifiers
from backend.spec.run import ModelSpec
from tests.tiny import tiny_folder, tiny_model, tiny_rows, tiny_tokenizer

NAMES = ["negative", "positive"]


def folder_spec(folder: Path, **settings: object) -> ModelSpec:
    return ModelSpec(source="folder", name=str(folder), **settings)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("published"))


def test_a_kept_head_is_the_published_one_and_a_fresh_one_is_not(published: Path) -> None:
    rows = encode(tiny_tokenizer(), tiny_rows(8), 32)
    expected = logits(tiny_model(), rows)
    kept, _ = classifiers.load_classifier(folder_spec(published, head="keep"), NAMES, 1)
    assert np.allclose(logits(kept, rows), expected, atol=1e-5)
    fresh, _ = classifiers.load_classifier(folder_spec(published, head="fresh"), NAMES, 1)
    assert not np.allclose(logits(fresh, rows), expected, atol=1e-3)
    again, _ = classifiers.load_classifier(folder_spec(published, head="fresh"), NAMES, 1)
    assert np.array_equal(logits(fresh, rows), logits(again, rows)), "a fresh head depends on the seed alone"


def test_a_fresh_head_fits_any_number_of_classes(published: Path) -> None:
    model, _ = classifiers.load_classifier(folder_spec(published), ["a", "b", "c"], 1)
    assert model.config.num_labels == 3 and model.config.id2label[2] == "c"


def test_labels_that_do_not_match_a_kept_head_are_told(published: Path) -> None:
    with pytest.raises(UserError, match=r"2 classes.*3.*fresh head"):
        classifiers.load_classifier(folder_spec(published, head="keep"), ["a", "b", "c"], 1)


def test_the_embedded_model_is_the_pretrained_one_with_72_heads() -> None:
    model, tokenizer = classifiers.load_classifier(ModelSpec(), NAMES, 1)
    assert HeadGrid(model).shape == (6, 12)
    with torch.inference_mode():

        def vector(text: str) -> torch.Tensor:
            states = model.base_model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            return states.mean(0) / states.mean(0).norm()

        near = vector("a great movie") @ vector("a wonderful film")
        far = vector("a great movie") @ vector("interest rates rose in march")
    assert near > 0.6 > 0.3 > far


def test_random_weights_of_bert_base_need_no_hub() -> None:
    spec = ModelSpec(source="hub", name="google-bert/bert-base-uncased", random_weights=True)
    model, tokenizer = classifiers.load_classifier(spec, NAMES, 1)
    assert HeadGrid(model).shape == (12, 12) and model.config.hidden_size == 768
    assert tokenizer.vocab_size == model.config.vocab_size


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    torch.save(tiny_model().state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no \.safetensors"):
        classifiers.load_classifier(folder_spec(folder), NAMES, 1)


def test_custom_code_is_never_run(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('strange code was run')")
    with pytest.raises(UserError):
        classifiers.load_classifier(folder_spec(folder), NAMES, 1)


def test_a_hub_name_while_offline_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="hub cannot be reached"):
        classifiers.load_classifier(ModelSpec(source="hub", name="nobody/nothing-here"), NAMES, 1)


@pytest.mark.parametrize("source", ["folder", "run"])
def test_a_model_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(UserError, match="nothing-here"):
        classifiers.load_classifier(ModelSpec(source=source, name="nothing-here"), NAMES, 1)


def renamed(folder: Path, old: str, new: str) -> None:
    weights = load_file(folder / "model.safetensors")
    weights = {name.replace(old, new): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["layer.1.attention.self.value.", "layer.2.output.LayerNorm."])
def test_weights_that_do_not_fit_are_refused_not_drawn_at_random(tmp_path: Path, name: str) -> None:
    folder = tiny_folder(tmp_path / "model")
    renamed(folder, name, f"{name}net.")
    for head in ("fresh", "keep"):
        with pytest.raises(UserError, match="do not fit"):
            classifiers.load_classifier(folder_spec(folder, head=head), NAMES, 1)


def with_config(folder: Path, **settings: object) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


SWITCHES: list[dict[str, object]] = [
    {"output_attentions": True},
    {"output_hidden_states": True},
    {"return_dict": False},
    {"torchscript": True},
    {"use_cache": False},
    {"is_decoder": True},
    {"is_decoder": True, "add_cross_attention": True},
    {"_attn_implementation": "flash_attention_2"},
    {"attn_implementation": "eager", "_attn_implementation_autoset": True},
    {"torch_dtype": "bfloat16"},
    {"dtype": "float16"},
    {"gradient_checkpointing": True},
    {"chunk_size_feed_forward": 3},
    {"pruned_heads": {}},
    {"architectures": None},
    {"tie_word_embeddings": False},
]


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_what_a_model_was_last_used_for_changes_nothing(
    tmp_path: Path, kind: str, switches: dict[str, object]
) -> None:
    rows = encode(tiny_tokenizer(), tiny_rows(8), 32)
    folder = with_config(tiny_folder(tmp_path / "model", kind), **switches)
    model, _ = classifiers.load_classifier(folder_spec(folder, head="keep"), NAMES, 1)
    assert np.allclose(logits(model, rows), logits(tiny_model(kind), rows), atol=1e-5)
    batch = rows.batch(range(4))
    answer = model.eval()(**batch, labels=torch.tensor(rows.labels[:4]))
    assert answer.loss.dtype == torch.float32 and answer.attentions is None
    assert answer.hidden_states is None
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    model.save_pretrained(tmp_path / "again")
    assert np.allclose(logits(classifiers.load_checkpoint(tmp_path / "again"), rows), logits(model, rows))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_read_into_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = tiny_folder(tmp_path / "model")
    weights = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for prefix in ("", "module."):
        renamed(folder, "bert.", f"{prefix}bert.")
        renamed(folder, "classifier.", f"{prefix}classifier.")
        model, _ = classifiers.load_classifier(folder_spec(folder, head="keep"), NAMES, 1)
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, weights[name].float()), name


def test_a_kept_head_keeps_the_names_that_it_was_received_with(tmp_path: Path) -> None:
    folder = with_config(tiny_folder(tmp_path / "model"), id2label={"0": "toxic", "1": "fine"})
    for head, expected in {"keep": ["toxic", "fine"], "fresh": NAMES}.items():
        model, _ = classifiers.load_classifier(folder_spec(folder, head=head), NAMES, 1)
        assert list(model.config.id2label.values()) == expected
        assert model.config.label2id == {name: number for number, name in enumerate(expected)}
    nameless = with_config(folder, id2label={"0": "LABEL_0", "1": "LABEL_1"})
    model, _ = classifiers.load_classifier(folder_spec(nameless, head="keep"), NAMES, 1)
    assert list(model.config.id2label.values()) == NAMES


def test_a_model_as_received_answers_in_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = tiny_rows(8)
    folder = with_config(tiny_folder(tmp_path / "model"), id2label={"0": "good", "1": "bad"})
    expected = logits(tiny_model(), encode(tiny_tokenizer(), rows, 32))
    dataset = Dataset("tiny", rows, rows, rows, ["bad", "good"], [])
    model = folder_spec(folder, head="fresh")
    head = classifiers.own_head(model, dataset)
    assert head is not None
    received = classifiers.load_as_received(model, head, 1)
    assert np.allclose(logits(received, encode(tiny_tokenizer(), rows, 32)), expected[:, ::-1], atol=1e-5)
    assert received.config.id2label == {0: "bad", 1: "good"}


@pytest.mark.parametrize("names", [["neg", "pos"], ["Negative", "Positive"]])
def test_a_model_as_received_is_matched_by_names_in_another_spelling(
    tmp_path: Path, names: list[str]
) -> None:
    rows = tiny_rows(8)
    folder = with_config(tiny_folder(tmp_path / "model"), id2label={"0": "POSITIVE", "1": "NEGATIVE"})
    expected = logits(tiny_model(), encode(tiny_tokenizer(), rows, 32))
    dataset = Dataset("tiny", rows, rows, rows, names, [])
    model = folder_spec(folder, head="fresh")
    head = classifiers.own_head(model, dataset)
    assert head is not None
    received = classifiers.load_as_received(model, head, 1)
    assert np.allclose(logits(received, encode(tiny_tokenizer(), rows, 32)), expected[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("names", [["bad", "fair", "good"], ["sports", "politics"]])
def test_a_model_as_received_with_other_classes_answers_another_question(
    tmp_path: Path, names: list[str]
) -> None:
    rows = tiny_rows(8)
    folder = with_config(tiny_folder(tmp_path / "model"), id2label={"0": "good", "1": "bad"})
    dataset = Dataset("tiny", rows, rows, rows, names, [])
    assert classifiers.own_head(folder_spec(folder, head="fresh"), dataset) is None
    assert classifiers.own_head(ModelSpec(), dataset) is None


def test_an_encoder_alone_gets_a_fresh_head(tmp_path: Path) -> None:
    tiny_folder(tmp_path / "model")
    tiny_model().base_model.save_pretrained(tmp_path / "model")
    model, _ = classifiers.load_classifier(folder_spec(tmp_path / "model"), NAMES, 1)
    assert model.config.num_labels == 2


@pytest.mark.parametrize("damage", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_folder_is_told(tmp_path: Path, damage: str) -> None:
    folder = tiny_folder(tmp_path / "model")
    (folder / damage).write_bytes(b"{}" if damage.endswith("json") else b"half of it")
    with pytest.raises(UserError, match="cannot be loaded"):
        classifiers.load_classifier(folder_spec(folder), NAMES, 1)
