"""The compact export equals the gated model, on every supported architecture and any set of heads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from backend.data.tokens import encode
from backend.heads import excise_compact
from backend.heads.grid import HeadGrid
from backend.heads.surgery import compact, save_compact
from tests.tiny import CONFIGS, tiny_model, tiny_rows, tiny_tokenizer

KINDS = sorted(CONFIGS)
ROWS = encode(tiny_tokenizer(), tiny_rows(8), 64)
CHOSEN = st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=8, unique=True)
NONE, ALL = np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)


def saved(grid: HeadGrid, folder: Path) -> Path:
    save_compact(compact(grid), folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def logits(model: torch.nn.Module, chosen: list[int]) -> np.ndarray:
    with torch.inference_mode():
        return model(**ROWS.batch(chosen)).logits.numpy()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), hnp.arrays(bool, (3, 4)), CHOSEN)
@example("bert", ALL, [0, 1, 2])
@example("distilbert", ALL, [0, 1, 2])
@example("roberta", NONE, [3, 4])
def test_compact_equals_the_gated_model(
    tmp_path_factory: pytest.TempPathFactory, kind: str, pruned: np.ndarray, chosen: list[int]
) -> None:
    grid = HeadGrid(tiny_model(kind))
    grid.gate(pruned)
    loaded, _ = excise_compact.load(saved(grid, tmp_path_factory.mktemp("compact")))
    expected = logits(grid.model, chosen)
    assert np.abs(logits(loaded, chosen) - expected).max() < 1e-4
    # A padded batch is its rows one by one.
    alone = np.concatenate([logits(loaded, [one]) for one in chosen])
    assert np.abs(alone - expected).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_projections_hold_the_heads_left_alone(kind: str, tmp_path: Path) -> None:
    grid = HeadGrid(tiny_model(kind))
    pruned = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    grid.gate(pruned)
    folder = saved(grid, tmp_path)
    paths = {id(module): name for name, module in grid.model.named_modules()}
    with safe_open(folder / excise_compact.WEIGHTS, "pt") as file:
        for site, left in zip(grid.sites, (2, 4, 1), strict=True):
            for linear in (site.query, site.key, site.value):
                assert file.get_slice(f"{paths[id(linear)]}.weight").get_shape() == [6 * left, 24]
            assert file.get_slice(f"{paths[id(site.output)]}.weight").get_shape() == [24, 6 * left]
    whole = sum(weight.numel() for weight in grid.model.parameters())
    loaded, _ = excise_compact.load(folder)
    assert sum(weight.numel() for weight in loaded.parameters()) == whole - 5 * 4 * 6 * 24 - 5 * 3 * 6
    assert (grid.pruned() == pruned).all()  # the model it was made of is as it was


def test_a_compact_model_can_be_trained_on_and_gives_attentions(tmp_path: Path) -> None:
    grid = HeadGrid(tiny_model("bert"))
    grid.gate(np.eye(3, 4, dtype=bool))
    model, _ = excise_compact.load(saved(grid, tmp_path))
    model.set_attn_implementation("eager")
    out = model(**ROWS.batch([0, 1]), labels=torch.tensor([0, 1]), output_attentions=True)
    out.loss.backward()
    assert [one.shape[1] for one in out.attentions] == [3, 3, 3]
    assert all(weight.grad is not None for weight in model.parameters())


def test_plain_transformers_refuses_it_instead_of_guessing(tmp_path: Path) -> None:
    grid = HeadGrid(tiny_model("bert"))
    grid.gate(np.eye(3, 4, dtype=bool))
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(saved(grid, tmp_path))


@pytest.mark.parametrize("harm", ["missing", "left over", "too wide"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, harm: str) -> None:
    folder = saved(HeadGrid(tiny_model("bert")), tmp_path)
    weights = load_file(folder / excise_compact.WEIGHTS)
    if harm == "missing":
        del weights["classifier.weight"]
    elif harm == "left over":
        weights["stranger"] = torch.zeros(1)
    else:
        weights["classifier.weight"] = torch.zeros(5, 24)
    save_file(weights, folder / excise_compact.WEIGHTS)
    with pytest.raises(RuntimeError, match="state_dict"):
        excise_compact.load(folder)


def test_an_older_transformers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(HeadGrid(tiny_model("bert")), tmp_path)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"
    monkeypatch.setattr(excise_compact.transformers, "__version__", "4.57.1")
    with pytest.raises(ImportError, match=r"needs transformers 5 or newer; this is 4\.57\.1"):
        excise_compact.load(folder)
