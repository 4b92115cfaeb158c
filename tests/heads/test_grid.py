"""Gates, [CLS] rows and the zeroed export, on every supported architecture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from backend.base.errors import UserError
from backend.data.tokens import encode
from backend.evaluation.evaluator import logits
from backend.heads.grid import HeadGrid
from backend.heads.statistics import cls_variance
from backend.heads.surgery import zeroed
from tests.tiny import CONFIGS, tiny_model, tiny_rows, tiny_tokenizer

KINDS = sorted(CONFIGS)
ROWS = encode(tiny_tokenizer(), tiny_rows(8), 64)
GRIDS = hnp.arrays(bool, (3, 4))
KIND = st.sampled_from(KINDS)


def grid_of(kind: str) -> HeadGrid:
    return HeadGrid(tiny_model(kind))


def head_columns(grid: HeadGrid, head: int) -> slice:
    width = grid.sites[0].output.in_features // grid.heads
    return slice(head * width, (head + 1) * width)


@pytest.mark.parametrize("kind", KINDS)
def test_gated_attention_equals_the_librarys_own(kind: str) -> None:
    model = tiny_model(kind)
    batch = ROWS.batch(range(len(ROWS)))
    expected = model(**batch).logits
    HeadGrid(model)
    assert torch.allclose(model(**batch).logits, expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(KIND, GRIDS)
def test_a_gated_head_contributes_exactly_nothing(kind: str, pruned: np.ndarray) -> None:
    """What reaches the output projection from a gated head is zero, so its weights do not matter."""
    grid = grid_of(kind)
    seen = []
    for site in grid.sites:
        site.output.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    grid.gate(pruned)
    grid.model(**ROWS.batch(range(4)))
    for layer, head in np.argwhere(pruned):
        assert not seen[layer][..., head_columns(grid, head)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wholly_gated_layer_gives_its_output_projections_bias(kind: str) -> None:
    grid = grid_of(kind)
    torch.nn.init.normal_(grid.sites[1].output.bias)
    pruned = np.zeros(grid.shape, dtype=bool)
    pruned[1] = True
    grid.gate(pruned)
    seen = []
    grid.sites[1].output.register_forward_hook(lambda module, args, out: seen.append(out))
    grid.model(**ROWS.batch(range(4)))
    assert torch.equal(seen[0], grid.sites[1].output.bias.expand_as(seen[0]))


@settings(max_examples=25, deadline=None)
@given(KIND, GRIDS)
def test_zeroed_export_equals_the_gated_model(
    tmp_path_factory: pytest.TempPathFactory, kind: str, pruned: np.ndarray
) -> None:
    grid = grid_of(kind)
    whole = logits(grid.model, ROWS)
    grid.gate(pruned)
    folder = tmp_path_factory.mktemp("export")
    zeroed(grid).save_pretrained(folder)
    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    assert loaded.config._attn_implementation != "excise"
    assert np.abs(logits(loaded, ROWS) - logits(grid.model, ROWS)).max() < 1e-5
    if pruned.any():
        assert np.abs(logits(loaded, ROWS) - whole).max() > 1e-4


@settings(max_examples=25, deadline=None)
@given(KIND, GRIDS, GRIDS)
def test_gating_then_ungating_is_the_identity(kind: str, first: np.ndarray, second: np.ndarray) -> None:
    grid = grid_of(kind)
    grid.gate(first)
    before = logits(grid.model, ROWS)
    with grid.gated(second):
        assert (grid.pruned() == second).all()
    assert (grid.pruned() == first).all()
    assert np.array_equal(logits(grid.model, ROWS), before)


@settings(max_examples=25, deadline=None)
@given(KIND, GRIDS, st.lists(st.integers(0, len(ROWS) - 1), min_size=2, max_size=8, unique=True))
def test_a_padded_batch_equals_its_rows_one_by_one(kind: str, pruned: np.ndarray, chosen: list[int]) -> None:
    grid = grid_of(kind)
    grid.gate(pruned)
    with torch.no_grad():
        together = grid.model(**ROWS.batch(chosen)).logits
        alone = torch.cat([grid.model(**ROWS.batch([i])).logits for i in chosen])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_attention_matrices_are_those_of_the_library(kind: str) -> None:
    model = tiny_model(kind)
    batch = ROWS.batch(range(len(ROWS)))
    model.set_attn_implementation("eager")
    expected = model(**batch, output_attentions=True).attentions
    HeadGrid(model)
    for got, want in zip(model(**batch, output_attentions=True).attentions, expected, strict=True):
        assert torch.allclose(got, want, atol=1e-6)


def test_statistic_reads_the_first_127_positions_only() -> None:
    row = torch.rand(2, 3, 150)
    assert torch.allclose(cls_variance(row), row[..., :127].double().var(-1), atol=1e-12)


def test_gates_survive_training_mode_and_are_never_saved(tmp_path: object) -> None:
    grid = grid_of("bert")
    grid.gate(np.eye(3, 4, dtype=bool))
    assert not [name for name in grid.model.state_dict() if "gate" in name]
    grid.model.train()
    assert grid.pruned().sum() == 3


def test_an_unsupported_architecture_is_named_with_those_that_are() -> None:
    model = GPT2ForSequenceClassification(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=10))
    with pytest.raises(UserError, match=r"gpt2.*BERT, RoBERTa"):
        HeadGrid(model)
