"""The six strategies and the random control, by their definitions."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.base.errors import UserError
from backend.data.tokens import Encoded, encode
from backend.heads.order import ascending, rank_normalised
from backend.heads.statistics import cls_variance
from backend.pruning.defender import Defender
from backend.strategies import COMPONENTS
from backend.strategies.reinforcement import ReinforcementParams, learn
from tests.strategies.given import given
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer


def rows(count: int, seed: int = 0) -> Encoded:
    return encode(tiny_tokenizer(), tiny_rows(count, seed), 64)


@pytest.fixture
def defender() -> Defender:
    return Defender(tiny_model(), rows(70), rows(30, seed=1), threshold=0.3, prune_step=2, seed=5)


def order_of(name: str, defender: Defender, **params: object):
    component = COMPONENTS[name]
    return component.function(defender, params=component.parse(params))


def test_the_issue_s_strategies_are_all_there() -> None:
    six = {"gradient", "layer-variance", "sparsification", "ensemble", "reinforcement", "bayesian"}
    assert six | {"random"} <= set(COMPONENTS)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_same_seed_same_order_and_every_head_at_most_once(name: str, defender: Defender) -> None:
    first, second = order_of(name, defender), order_of(name, defender)
    assert first.order == second.order
    assert len(set(first.order)) == len(first.order)
    assert first.scores.shape == defender.shape
    importance = [first.scores[head] for head in first.order]
    if name not in ("layer-variance", "none", "as-many-random"):  # which name some heads alone
        assert importance == sorted(importance) and len(importance) == 12


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_no_strategy_can_reach_a_trigger(
    name: str, defender: Defender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy is given the model and clean data only, and works with every trigger broken."""
    held = {field.name for field in dataclasses.fields(Defender)}
    assert held == {
        "model",
        "train",
        "validation",
        "threshold",
        "prune_step",
        "seed",
        "balanced",
        "tick",
        "check",
        "grid",
        "_evaluators",  # of the clean validation rows
    }

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a strategy used a trigger")

    from backend.attacks import triggers

    for trigger, component in triggers.COMPONENTS.items():
        monkeypatch.setitem(triggers.COMPONENTS, trigger, dataclasses.replace(component, function=forbidden))
    monkeypatch.setattr("backend.evaluation.evaluator.measure", forbidden)
    order_of(name, defender)


def test_gradient_score_is_the_sum_over_ordered_batches_of_each_heads_gradient_norm(
    defender: Defender,
) -> None:
    expected = np.zeros((3, 4))
    model, train = defender.model, defender.train
    for start in (0, 32, 64):
        part = list(range(start, min(start + 32, 70)))
        model.zero_grad()
        labels = torch.tensor([train.labels[i] for i in part])
        functional.cross_entropy(model(**train.batch(part)).logits, labels).backward()
        for layer, site in enumerate(defender.grid.sites):
            for head in range(4):
                expected[layer, head] += site.key.weight.grad[head * 6 : head * 6 + 6].norm().item()
    assert np.allclose(order_of("gradient", defender).scores, expected, rtol=1e-4)
    assert all(weight.requires_grad for weight in model.parameters())


def test_variance_prunes_within_each_layers_quota_only(defender: Defender) -> None:
    result = order_of("layer-variance", defender, first_share=0.25, last_share=0.75)
    by_layer = [[h for h in result.order if h[0] == layer] for layer in range(3)]
    assert [len(heads) for heads in by_layer] == [1, 2, 3]
    for layer, heads in enumerate(by_layer):
        lowest = np.argsort(result.scores[layer])[: len(heads)]
        assert [h[1] for h in heads] == lowest.tolist()
    # rank / quota: 1/3 (last layer) < 1/2 < 2/3 < 1 (all layers, first layer first)
    assert [h[0] for h in result.order] == [2, 1, 2, 0, 1, 2]


def test_variance_scores_are_the_mean_statistic_of_eager_attention(defender: Defender) -> None:
    total = np.zeros((3, 4))
    with torch.no_grad():
        for i in range(len(defender.validation)):
            matrices = defender.model(**defender.validation.batch([i]), output_attentions=True).attentions
            total += np.stack([cls_variance(matrix[:, :, 0])[0].numpy() for matrix in matrices])
    assert np.allclose(defender.cls_variance(), total / len(defender.validation), rtol=1e-4)


def test_ensemble_without_chance_is_the_gradient_and_with_chance_alone_depends_on_the_seed(
    defender: Defender,
) -> None:
    assert order_of("ensemble", defender, alpha=0).order == order_of("gradient", defender).order
    first = order_of("ensemble", defender, alpha=1).order
    assert order_of("ensemble", dataclasses.replace(defender, seed=6), alpha=1).order != first


def test_an_ensemble_is_the_mean_of_its_draws_mixed_with_the_gradient_s_ranks() -> None:
    gradient = np.array([[5.0, 1.0, 700.0], [2.0, 3.0, 4.0]])
    ranks = np.array([[0.8, 0.0, 1.0], [0.2, 0.4, 0.6]])
    defender = given(gradient=gradient, variance=gradient, seed=9)
    rng = np.random.default_rng(9)
    draws = [rng.random((2, 3)) for _ in range(4)]
    found = order_of("ensemble", defender, alpha=0.3, draws=4)
    assert np.allclose(found.scores, 0.3 * sum(draws) / 4 + 0.7 * ranks)
    assert found.order == ascending(found.scores).order and found.guardrail == "backtrack"


def test_random_orders_differ_by_seed(defender: Defender) -> None:
    assert (
        order_of("random", defender).order != order_of("random", dataclasses.replace(defender, seed=6)).order
    )


def test_the_random_order_is_none_that_the_ensemble_draws(defender: Defender) -> None:
    drawn = order_of("ensemble", defender, alpha=1, draws=1).order
    assert order_of("random", defender).order != drawn


def test_layers_go_one_after_the_other_from_either_end(defender: Defender) -> None:
    layers = [layer for layer, _ in order_of("by-layer", defender).order]
    assert layers == sorted(layers) and len(layers) == 12
    from_above = order_of("by-layer", defender, first="top", share=0.7)
    assert [layer for layer, _ in from_above.order] == [2] * 4 + [1] * 4, "two of three layers give heads"
    assert from_above.guardrail == "backtrack"
    *_, last = defender.steps(order_of("by-layer", defender, share=0.1, checked=False))
    assert last.pruned[0].all() and not last.pruned[1:].any(), "one whole layer, its last head too"
    assert len(last.tried) == 4, "all at once"
    other = dataclasses.replace(defender, seed=6)
    assert order_of("by-layer", other).order != order_of("by-layer", defender).order


def test_bayesian_passes_differ_and_both_readings_and_orders_are_theirs(defender: Defender) -> None:
    passes = np.stack(list(defender.cls_variance_passes(4)))
    assert passes.shape == (4, 30, 3, 4)
    assert not np.allclose(passes[0], passes[1]), "dropout is active"
    assert not defender.model.training
    mean = order_of("bayesian", defender, passes=4, spread="mean").scores
    sample = order_of("bayesian", defender, passes=4, spread="sample").scores
    assert np.allclose(mean, passes.mean(1).std(0, ddof=1))
    assert np.allclose(sample, passes.std(0, ddof=1).mean(0))
    lowest = order_of("bayesian", defender, passes=4).order
    assert order_of("bayesian", defender, passes=4, order="highest").order == lowest[::-1]


def test_a_model_without_dropout_has_no_uncertainty() -> None:
    model = tiny_model()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    defender = Defender(model, rows(20), rows(10, seed=1), threshold=0.3, prune_step=2, seed=5)
    with pytest.raises(UserError, match="no dropout"):
        order_of("bayesian", defender)


def test_sparsification_changes_the_first_fine_tuning_and_only_it() -> None:
    params = COMPONENTS["sparsification"].parse({"l1": 0.5, "l2": 0.25})
    regulariser = params.fine_tune_regulariser("paper")
    assert (regulariser.l1, regulariser.l2, regulariser.attention) == (0.5, 0.25, 0.0)
    assert COMPONENTS["gradient"].parse({}).fine_tune_regulariser("paper") is None


@pytest.mark.parametrize("seed", range(5))
def test_reinforcement_learns_an_order_that_beats_the_random_one(seed: int) -> None:
    """A toy problem with known good heads: 12 of 24 heads cost accuracy, 12 cost nothing, and the
    prior says nothing about which.  The area under accuracy along the learned order beats that of
    random orders by far, and most of the harmless half goes first."""
    rng = np.random.default_rng(seed)
    cost = np.zeros(24)
    cost[rng.permutation(24)[:12]] = 0.04
    cost = cost.reshape(4, 6)
    params = ReinforcementParams(episodes=30, steps=8, epsilon=0.9, decay=0.95, prior=0.0)
    accuracy = lambda pruned: 0.95 - cost[pruned].sum()  # noqa: E731
    values = learn(np.zeros((4, 6)), accuracy, 0.45, 2, seed, params)
    learned = ascending(-values).order

    def area(order: list) -> float:
        return -np.cumsum([cost[head] for head in order]).mean()

    random_areas = [area([divmod(i, 6) for i in rng.permutation(24)]) for _ in range(200)]
    assert area(learned) > max(random_areas)
    assert sum(cost[head] == 0 for head in learned[:12]) >= 10


def test_reinforcement_goes_on_where_its_sample_is_harder_than_all_rows() -> None:
    """τ of all rows allows a loss of 0.1; the sample's own accuracy lies below τ from the start."""
    asked: list[int] = []

    def accuracy(pruned: np.ndarray) -> float:
        asked.append(int(pruned.sum()))
        return 0.5 - 0.02 * pruned.sum()

    params = ReinforcementParams(episodes=2, steps=8, epsilon=0)
    learn(np.zeros((4, 6)), accuracy, 0.1, 2, 0, params)
    assert asked == [0, 2, 4, 6, 2, 4, 6]


def test_reinforcement_starts_from_low_variance(defender: Defender) -> None:
    """With no learning to speak of, the order is that of the variance statistic."""
    result = order_of("reinforcement", defender, episodes=1, steps=1, epsilon=0, learning_rate=1e-12)
    assert result.order == ascending(defender.cls_variance()).order


def test_ranks_are_normalised_and_ties_alike() -> None:
    assert rank_normalised(np.array([[3.0, 1.0], [2.0, 2.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match="finite"):
        ascending(np.array([[1.0, np.nan]]))


def test_accuracy_of_the_defender_gates_and_ungates(defender: Defender) -> None:
    whole = defender.accuracy(np.zeros((3, 4), dtype=bool))
    defender.accuracy(np.eye(3, 4, dtype=bool))
    assert not defender.grid.pruned().any()
    assert defender.accuracy(np.zeros((3, 4), dtype=bool)) == whole


def test_accuracy_on_a_sample_is_that_of_the_rows_that_the_seed_draws(defender: Defender) -> None:
    sample = defender.validation.sample(16, 5)
    called = defender.model(**sample.batch(range(16))).logits.argmax(dim=1).tolist()
    right = sum(one == label for one, label in zip(called, sample.labels, strict=True))
    assert defender.accuracy(np.zeros((3, 4), dtype=bool), rows=16) == right / 16
    masks = np.random.default_rng(0).random((8, 3, 4)) < 0.5
    expected = [dataclasses.replace(defender, validation=sample).accuracy(mask) for mask in masks]
    assert [defender.accuracy(mask, 16) for mask in masks] == expected
    assert [defender.accuracy(mask) for mask in masks] != expected
    assert [dataclasses.replace(defender, seed=6).accuracy(mask, 16) for mask in masks] != expected
