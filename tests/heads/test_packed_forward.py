"""Packed rows give what the library gives, on every supported architecture, whatever is gated."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.base.device import probe
from backend.data.tokens import encode
from backend.evaluation import evaluator as evaluation
from backend.evaluation.evaluator import Evaluator
from backend.heads import packed_forward
from backend.heads.grid import HeadGrid
from backend.heads.packed_forward import dropout, pack, run
from backend.heads.statistics import POSITIONS, cls_variance
from tests.tiny import CONFIGS, tiny_model, tiny_rows, tiny_tokenizer

KINDS = sorted(CONFIGS)
KIND = st.sampled_from(KINDS)
GRIDS = hnp.arrays(bool, (3, 4))
ROWS = encode(tiny_tokenizer(), tiny_rows(24), 64)
CPU = torch.device("cpu")


def grid_of(kind: str) -> HeadGrid:
    grid = HeadGrid(tiny_model(kind))
    for site in grid.sites:  # biases are zero in a new model, and would hide a wrong one
        for linear in (site.query, site.key, site.value, site.output):
            torch.nn.init.normal_(linear.bias, std=0.1)
    return grid


@torch.no_grad()
def of_the_library(grid: HeadGrid, pruned: np.ndarray) -> np.ndarray:
    with grid.gated(pruned):
        grid.model.eval()
        return grid.model(**ROWS.batch(range(len(ROWS)))).logits.numpy()


@settings(max_examples=40, deadline=None)
@given(KIND, GRIDS, st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=12, unique=True))
def test_a_packed_pass_is_the_librarys(kind: str, pruned: np.ndarray, chosen: list[int]) -> None:
    grid = grid_of(kind)
    packed = pack(ROWS, chosen, CPU)
    assert sorted(packed.rows) == sorted(chosen)
    with torch.no_grad(), grid.gated(pruned):
        got = run(grid, packed).classes.numpy()
    assert np.abs(got - of_the_library(grid, pruned)[packed.rows]).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_cls_rows_are_those_of_the_attention_matrices(kind: str) -> None:
    grid = grid_of(kind)
    pruned = np.eye(3, 4, dtype=bool)
    packed = pack(ROWS, range(len(ROWS)), CPU)
    with torch.no_grad(), grid.gated(pruned):
        matrices = grid.model(**ROWS.batch(packed.rows), output_attentions=True).attentions
        whole = run(grid, packed, cls_rows=True)
        alone = run(grid, packed, cls_rows=True, classified=False)
    assert alone.logits is None
    for row, same, matrix in zip(whole.cls_rows, alone.cls_rows, matrices, strict=True):
        assert torch.equal(row, same)
        assert torch.allclose(row, matrix[:, :, 0], atol=1e-6)
        padded = torch.zeros(*row.shape[:2], POSITIONS, dtype=torch.double)
        padded[..., : row.shape[2]] = row
        assert torch.allclose(cls_variance(row), padded.var(-1, unbiased=True), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_librarys(kind: str) -> None:
    grid = grid_of(kind)
    packed = pack(ROWS, range(8), CPU)
    grid.model(**ROWS.batch(packed.rows)).logits.square().sum().backward()
    expected = {name: p.grad for name, p in grid.model.named_parameters()}
    grid.model.zero_grad(set_to_none=True)
    run(grid, packed).classes.square().sum().backward()
    for name, p in grid.model.named_parameters():
        if expected[name] is not None:
            assert p.grad is not None and torch.allclose(p.grad, expected[name], atol=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_active_while_the_model_trains(kind: str) -> None:
    grid = grid_of(kind)
    packed = pack(ROWS, range(8), CPU)
    grid.model.train()
    with torch.no_grad():
        first, second = (run(grid, packed, cls_rows=True) for _ in range(2))
    assert not torch.equal(first.classes, second.classes)
    assert not torch.equal(first.cls_rows[0], second.cls_rows[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_pass_is_that_of_evaluation_but_for_dropout(kind: str) -> None:
    grid = grid_of(kind)
    packed = pack(ROWS, range(8), CPU)
    with torch.no_grad():
        expected = run(grid, packed).classes
        for module in grid.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 1e-9
        grid.model.train()
        assert torch.allclose(run(grid, packed).classes, expected, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(3)
    states = torch.ones(7, 100_003, requires_grad=True)
    made = dropout(states, share)
    assert abs((made == 0).float().mean().item() - share) < 0.003
    assert abs(made.mean().item() - 1) < 0.003
    assert len(made.detach().unique()) == 2
    neighbours = (made[:, 1:] == 0) & (made[:, :-1] == 0)
    assert abs(neighbours.float().mean().item() - share**2) < 0.003, (
        "one draw decides for four, each by itself"
    )
    made.sum().backward()
    assert torch.equal(states.grad, made.detach())
    torch.manual_seed(3)
    assert torch.equal(dropout(states, share), made), "the seed decides"


def test_dropout_of_nothing_and_of_all() -> None:
    states = torch.randn(5, 3)
    assert dropout(states, 0.0) is states
    assert torch.equal(dropout(states, 1.0), torch.zeros(5, 3))


PRODUCTS = pytest.mark.parametrize("fused", [None, getattr(torch.ops.mkldnn, "_linear_pointwise", None)])


@PRODUCTS
def test_logits_do_not_depend_on_what_multiplies(fused: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_forward, "FUSED", fused)
    grid = grid_of("bert")
    pruned = np.zeros(grid.shape, dtype=bool)
    pruned[1] = True
    assert np.abs(Evaluator(grid, ROWS).logits(pruned) - of_the_library(grid, pruned)).max() < 1e-5


@PRODUCTS
def test_gradients_do_not_depend_on_what_multiplies(fused: object, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = grid_of("bert")
    pruned = np.zeros(grid.shape, dtype=bool)
    pruned[0], pruned[1, 2] = True, True
    grid.gate(pruned)
    monkeypatch.setattr(packed_forward, "FUSED", fused)
    packed = pack(ROWS, range(8), CPU)
    ours = gradients(grid, run(grid, packed).classes)
    theirs = gradients(grid, grid.model(**ROWS.batch(packed.rows)).logits)
    for name, gradient in theirs.items():
        assert torch.allclose(ours[name], gradient, atol=1e-6), name


def gradients(grid: HeadGrid, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a loss with respect to every parameter; zeros for one that had no part in it."""
    labels = torch.tensor([row % 2 for row in range(len(logits))])
    grid.model.zero_grad()
    torch.nn.functional.cross_entropy(logits, labels).backward()
    parameters = grid.model.named_parameters()
    return {name: torch.zeros_like(one) if one.grad is None else one.grad.clone() for name, one in parameters}


@settings(max_examples=40, deadline=None)
@given(KIND, st.lists(GRIDS, min_size=2, max_size=6), st.sampled_from([0, 20_000, 1 << 30]))
def test_an_evaluator_says_the_same_whatever_it_was_asked_before(
    kind: str, asked: list[np.ndarray], keep_bytes: int
) -> None:
    grid = grid_of(kind)
    evaluator = Evaluator(grid, ROWS, keep_bytes)
    for pruned in [*asked, asked[0]]:
        assert np.abs(evaluator.logits(pruned) - of_the_library(grid, pruned)).max() < 1e-5
    assert not grid.pruned().any(), "the model's own gates are left alone"


def test_along_a_search_only_what_changed_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = grid_of("bert")
    evaluator = Evaluator(grid, ROWS)
    layers: list[int] = []
    finish = evaluation.finish
    monkeypatch.setattr(
        evaluation, "finish", lambda grid, layer, *rest: (layers.append(layer), finish(grid, layer, *rest))[1]
    )
    pruned = np.zeros(grid.shape, dtype=bool)
    evaluator.logits(pruned)
    layers.clear()
    evaluator.logits(pruned)
    assert layers == [], "nothing changed"
    pruned[2, 1] = True
    evaluator.logits(pruned)
    assert set(layers) == {2}
    layers.clear()
    pruned[1, 0] = True
    evaluator.logits(pruned)
    assert set(layers) == {1, 2}


def test_a_stopped_call_leaves_nothing_half_done() -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    grid = grid_of("bert")
    evaluator = Evaluator(grid, ROWS)
    whole = evaluator.logits()
    first, second = np.eye(3, 4, dtype=bool), np.eye(3, 4, dtype=bool)[::-1]
    with pytest.raises(Stop):
        evaluator.logits(first, stop)
    assert np.abs(evaluator.logits(second) - of_the_library(grid, second)).max() < 1e-5
    assert np.abs(evaluator.logits(np.zeros((3, 4), dtype=bool)) - whole).max() < 1e-5


@settings(max_examples=60, deadline=None)
@given(st.lists(GRIDS, min_size=1, max_size=4), st.floats(0, 1))
def test_a_decision_is_that_of_all_rows(asked: list[np.ndarray], threshold: float) -> None:
    grid = grid_of("bert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "probe", lambda: replace(probe(), batch_tokens=64))
        evaluator = Evaluator(grid, ROWS)
    batches: list[int] = []
    evaluator.logits(tick=lambda done, total: batches.append(done))
    assert len(batches) > 4
    for pruned in asked:
        whole = float((of_the_library(grid, pruned).argmax(axis=1) == np.array(ROWS.labels)).mean())
        said = evaluator.accuracy(pruned, stop_below=threshold)
        assert (said < threshold) == (whole < threshold)
        assert said == whole if whole >= threshold else said >= whole
        assert evaluator.accuracy(pruned) == whole, "what was left out is made up for"
