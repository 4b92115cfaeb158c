"""Weights under other names or in narrower shapes give the logits that plain transformers gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from backend.base.files import folder_hashes
from backend.data.tokens import encode, to_device
from backend.evaluation.evaluator import logits
from backend.heads.grid import HeadGrid
from backend.heads.surgery import compact
from backend.models import classifiers
from backend.models.received import read_model
from backend.spec.run import ModelSpec
from tests.tiny import CONFIGS, tiny_folder, tiny_model, tiny_rows, tiny_tokenizer

ROWS = encode(tiny_tokenizer(), tiny_rows(8), 32)
PREFIXES = ("_orig_mod.", "module.", "model.", "module._orig_mod.", "0.auto_model.")


def plain_logits(model: nn.Module) -> np.ndarray:
    """As the library computes them, without Excise."""
    batch = to_device(ROWS.batch(range(len(ROWS))), torch.device("cpu"))
    with torch.inference_mode():
        result: np.ndarray = model(**batch).logits.numpy()
    return result


def loaded(folder: Path, head: str = "keep") -> nn.Module:
    return classifiers.load_classifier(
        ModelSpec(source="folder", name=str(folder), head=head), ["bad", "good"], 1
    )[0].eval()


def renamed(folder: Path, prefix: str) -> None:
    for file in folder.glob("*.safetensors"):
        weights = {f"{prefix}{name}": tensor for name, tensor in load_file(file).items()}
        save_file(weights, file, metadata={"format": "pt"})
    index = folder / "model.safetensors.index.json"
    if index.exists():
        content = json.loads(index.read_text())
        content["weight_map"] = {f"{prefix}{name}": file for name, file in content["weight_map"].items()}
        index.write_text(json.dumps(content))


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_changes_no_logit_and_no_file(tmp_path: Path, prefix: str, sharded: bool) -> None:
    folder = tiny_folder(tmp_path / "model")
    if sharded:
        (folder / "model.safetensors").unlink()
        tiny_model().save_pretrained(folder, max_shard_size="5KB")
    renamed(folder, prefix)
    before = folder_hashes(folder)
    model = loaded(folder)
    assert np.array_equal(plain_logits(model), plain_logits(tiny_model()))
    assert np.allclose(logits(model, ROWS), plain_logits(tiny_model()), atol=1e-5)
    assert folder_hashes(folder) == before
    assert "under the library's" in read_model(folder).notes[0]


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_an_encoder_under_a_prefix_is_the_same_encoder(tmp_path: Path, kind: str) -> None:
    folder = tiny_folder(tmp_path / "model", kind)
    tiny_model(kind).base_model.save_pretrained(folder)
    plain = plain_logits(loaded(folder, "fresh"))
    renamed(folder, "module.")
    assert np.array_equal(plain_logits(loaded(folder, "fresh")), plain)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_heads_that_were_cut_out_come_back_without_effect(tmp_path: Path, kind: str, alone: bool) -> None:
    grid = HeadGrid(tiny_model(kind))
    gone = np.zeros(grid.shape, dtype=bool)
    gone[0, [0, 2]] = gone[2, 3] = True
    grid.gate(gone)
    narrow = compact(grid).eval()
    folder = tiny_folder(tmp_path / "model", kind)
    kept = narrow.base_model if alone else narrow
    save_file(kept.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pruned_heads": {"0": [2, 0], "2": [3]}}))
    if alone:
        encoder = loaded(folder, "fresh").base_model
        batch = to_device(ROWS.batch(range(len(ROWS))), torch.device("cpu"))
        with torch.inference_mode():
            states, expected = (one(**batch).last_hidden_state for one in (encoder, kept))
        assert torch.allclose(states, expected, atol=1e-6)
        return
    model = loaded(folder)
    assert HeadGrid(model).shape == grid.shape
    assert np.allclose(plain_logits(model), plain_logits(narrow), atol=1e-6)
    assert np.allclose(logits(model, ROWS), plain_logits(narrow), atol=1e-5)
    model.save_pretrained(tmp_path / "again")
    assert "pruned_heads" not in json.loads((tmp_path / "again" / "config.json").read_text())
