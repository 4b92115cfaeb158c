"""Victims from everywhere, and what is said of those that cannot be loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.base.errors import UserError
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


def test_weights_that_do_not_fit_are_refused_not_drawn_at_random(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    weights = {f"net.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for head in ("fresh", "keep"):
        with pytest.raises(UserError, match="do not fit"):
            classifiers.load_classifier(folder_spec(folder, head=head), NAMES, 1)


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
