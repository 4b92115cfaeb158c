"""What the authors' scripts compute, where it differs from their paper."""

import numpy as np
import pytest

from backend.base.components import Choice
from backend.data.tokens import encode
from backend.heads.order import ascending
from backend.pruning.defender import Defender
from backend.pruning.guardrail import prune
from backend.strategies import COMPONENTS, fine_tune_regulariser, score
from backend.training.regularisers import named_penalty
from tests.strategies.given import Given, given
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer

SIX = ("gradient", "layer-variance", "sparsification", "ensemble", "reinforcement", "bayesian")


def make(threshold: float = 0.3, prune_step: int = 2) -> Defender:
    rows = [encode(tiny_tokenizer(), tiny_rows(count, seed), 64) for seed, count in enumerate((70, 30))]
    return Defender(tiny_model(), *rows, threshold=threshold, prune_step=prune_step, seed=5)


def published(name: str, defender: Defender | Given, **params: object):
    return score(defender, Choice(name=name, variant="published", params=params))


def test_each_of_the_six_has_both_variants_and_the_paper_s_is_the_default() -> None:
    for name in SIX:
        assert COMPONENTS[name].variants == ("paper", "published")
        assert (
            score(make(), Choice(name=name)).order == score(make(), Choice(name=name, variant="paper")).order
        )


@pytest.mark.parametrize("name", ["gradient", "sparsification"])
def test_the_published_gradient_tells_no_head_of_a_layer_from_another(name: str) -> None:
    defender = make()
    found = published(name, defender)
    layers, heads = defender.shape
    assert np.abs(found.scores * heads - 1).max() < 1e-6
    assert (found.scores == found.scores[:, :1]).all(), "equal within a layer"
    blocks = [found.order[start : start + heads] for start in range(0, layers * heads, heads)]
    for block in blocks:
        assert len({layer for layer, _ in block}) == 1, "whole layers go"
        assert [head for _, head in block] == list(range(heads)), "head 0 first"
    assert found.guardrail == "give back"
    assert not defender.model.training


def test_published_penalties_fall_on_layer_norms_too() -> None:
    assert fine_tune_regulariser(Choice(name="sparsification", variant="published")).by_name
    assert not fine_tune_regulariser(Choice(name="sparsification")).by_name
    grid = make().grid
    named = [p for n, p in grid.model.named_parameters() if "attention" in n and "weight" in n]
    assert len(named) == 5 * grid.layers, "query, key, value, output and a layer norm"
    expected = sum(0.5 * p.abs().sum() + 0.25 * p.norm() for p in (one.detach() for one in named))
    assert named_penalty(grid, 0.5, 0.25).detach().item() == pytest.approx(float(expected), rel=1e-5)


def test_published_quotas_go_at_once_whatever_they_cost() -> None:
    defender = make(threshold=1.1)
    found = published("layer-variance", defender, first_share=1.0, last_share=1.0)
    assert found.guardrail == "none"
    *_, last = prune(found.order, defender.shape, lambda pruned: 0.0, 1.1, 2, found.guardrail)
    assert last.number == 1 and last.restored == []
    assert (last.pruned.sum(axis=1) == defender.shape[1] - 1).all(), "one head of each layer stays"


def test_published_draws_are_checked_one_by_one_and_their_union_is_not() -> None:
    defender = make(threshold=0.0)
    found = published("ensemble", defender, draws=4)
    assert found.guardrail == "none"
    assert found.scores.sum() == -4 * 2 * defender.shape[0], "two heads of every layer in each draw"
    drawn = found.scores < 0
    for layer, heads in enumerate(drawn):
        gone = {head for of, head in found.order if of == layer}
        assert gone <= set(np.flatnonzero(heads)), "what was never drawn stays"
        assert len(gone) == min(heads.sum(), len(heads) - 1), "and one head of each layer"
    assert published("ensemble", make(threshold=1.1)).order == [], "no draw passed"


def test_a_published_draw_that_fails_alone_gives_no_head_and_one_at_the_threshold_gives_all() -> None:
    asked: list[np.ndarray] = []

    def accuracy(draw: np.ndarray) -> float:
        asked.append(draw.copy())
        return 0.4 if len(asked) == 2 else 0.5

    found = published("ensemble", given((3, 8), accuracy=accuracy, threshold=0.5), draws=3)
    assert [draw.sum(axis=1).tolist() for draw in asked] == [[2, 2, 2]] * 3, "each is asked by itself"
    times = asked[0].astype(int) + asked[2]
    assert (found.scores == -times).all() and set(times.flat) == {0, 1, 2}
    twice, once = (list(zip(*np.nonzero(times == number), strict=True)) for number in (2, 1))
    assert found.order == twice + once, "drawn more often, goes earlier"


def test_the_published_agent_learns_nothing_and_keeps_the_step_that_fell() -> None:
    defender = make(prune_step=3)
    asked: list[object] = []
    accuracy = defender.accuracy
    defender.accuracy = lambda *args: (asked.append(args), accuracy(*args))[1]  # type: ignore[method-assign]
    found = published("reinforcement", defender)
    assert not asked, "no reward is looked at"
    layers, heads = defender.shape
    assert len(set(found.order)) == len(found.order) == layers * (heads - 1), "all but one head of each layer"
    accuracies = iter([0.9, 0.8, 0.2])
    steps = list(prune(found.order, defender.shape, lambda pruned: next(accuracies), 0.5, 3, found.guardrail))
    assert [step.pruned.sum() for step in steps] == [0, 3, 6]
    assert steps[-1].restored == [] and steps[-1].val_acc == 0.2


EPSILON = "backend.strategies.reinforcement.PUBLISHED_EPSILON"


def test_a_published_agent_that_never_explores_takes_the_lowest_variance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(EPSILON, 0.0)
    defender = given(prune_step=5)
    found = published("reinforcement", defender)
    highest = {(layer, int(row.argmax())) for layer, row in enumerate(defender.variance)}
    assert found.order == [head for head in ascending(defender.variance).order if head not in highest]
    assert sum(found.step_sizes) == len(found.order) and max(found.step_sizes) == 5
    assert (found.scores == defender.variance).all()


def test_a_published_agent_that_always_explores_goes_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EPSILON, 1.0)
    orders = {tuple(published("reinforcement", given(seed=seed)).order) for seed in range(10)}
    assert len(orders) == 10
    assert tuple(ascending(given().variance).order) not in orders


def explorations(defender: Given) -> int:
    """How many of the agent's steps, each of one head, did not take the head of lowest variance."""
    waiting = ascending(defender.variance).order
    number = 0
    for head in published("reinforcement", defender).order:
        number += head != waiting[0]
        waiting.remove(head)
    return number


def test_one_step_in_ten_of_the_published_agent_explores_and_a_hundred_are_all() -> None:
    agents = [given((12, 12), prune_step=1, seed=seed) for seed in range(20)]
    sizes = {len(published("reinforcement", agent).order) for agent in agents}
    assert max(sizes) == 100, "of 144 heads; fewer where a layer's last head was drawn again and again"
    assert 0.07 < sum(explorations(agent) for agent in agents) / 2000 < 0.13
    assert len(published("reinforcement", given((20, 20), prune_step=3)).order) == 300


def test_the_published_passes_are_the_plain_variance() -> None:
    defender = make()
    assert np.array_equal(published("bayesian", defender).scores, defender.cls_variance())
