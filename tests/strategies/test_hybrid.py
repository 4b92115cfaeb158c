"""Strategies made of others."""

import re

import numpy as np
import pytest

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.heads.order import HeadOrder, ascending, rank_normalised
from backend.strategies import COMPONENTS, score
from backend.strategies.hybrid import HybridParams, learned_weights, sequential
from tests.strategies.given import Given, given
from tests.strategies.test_published import make


def hybrid(**params: object) -> HeadOrder:
    return score(make(), Choice(name="hybrid", params=params))


def of(name: str) -> HeadOrder:
    return score(make(), Choice(name=name))


TWO = ("gradient", "variance")
HALVES = "layer-variance {first_share: 0.5, last_share: 0.5}"


def test_rank_means_weigh_what_they_are_told_to() -> None:
    assert hybrid(strategies=TWO, weights=(1, 0)).order == of("gradient").order
    assert hybrid(strategies=TWO, weights=(0, 3)).order == of("variance").order
    both = hybrid(strategies=TWO)
    expected = (rank_normalised(of("gradient").scores) + rank_normalised(of("variance").scores)) / 2
    assert np.allclose(both.scores, expected)


def test_z_scores_are_standardised_first() -> None:
    scores = [of(name).scores for name in TWO]
    expected = sum((one - one.mean()) / one.std() for one in scores) / 2
    assert np.allclose(hybrid(strategies=TWO, fusion="z-score").scores, expected)


def test_borda_counts_places_and_takes_a_missing_head_for_a_kept_one() -> None:
    found = hybrid(strategies=("layer-variance", "variance"), fusion="borda", weights=(1, 0))
    candidates = of("layer-variance").order
    assert found.order[: len(candidates)] == candidates


def test_borda_by_hand() -> None:
    """Gradient sends all four heads away in turn; layer-wise variance sends two and keeps two."""
    defender = Given(gradient=np.array([[0.0, 3.0], [1.0, 2.0]]), variance=np.array([[9.0, 1.0], [2.0, 8.0]]))
    params = {"strategies": ("gradient", HALVES), "fusion": "borda"}
    found = score(defender, Choice(name="hybrid", params=params))
    assert np.allclose(found.scores, np.array([[0 + 2, 3 + 0], [1 + 1, 2 + 2]]) / 4 / 2)
    assert found.order == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_an_intersection_lets_a_head_go_only_where_all_agree() -> None:
    found = hybrid(strategies=TWO, fusion="intersection")
    ranks = [rank_normalised(of(name).scores) for name in TWO]
    assert np.allclose(found.scores, np.maximum(*ranks))


def test_in_a_sequence_each_strategy_chooses_from_what_the_last_one_left() -> None:
    first = ascending(np.arange(12.0).reshape(3, 4))
    second = ascending(-np.arange(12.0).reshape(3, 4))
    found = sequential([first, second], share=0.5)
    assert found.order == [(1, 1), (1, 0), (0, 3), (0, 2), (0, 1), (0, 0)]
    assert found.scores[2, 3] > found.scores[0, 0]


def test_a_sequence_of_three_ends_with_the_last_one_s_order_of_what_both_others_chose() -> None:
    gradient = np.arange(12.0).reshape(3, 4)
    variance = np.array([[5.0, 0, 7, 1], [2, 6, 3, 8], [4, 9, 10, 11]])
    three = ("gradient", "variance", "layer-variance {first_share: 1, last_share: 1}")
    params = {"strategies": three, "fusion": "sequential", "share": 0.5}
    found = score(Given(variance, gradient), Choice(name="hybrid", params=params))
    # Gradient leaves the first six heads, variance (0, 1), (0, 3), (1, 0) of them: a quarter.
    assert found.order == [(0, 1), (1, 0), (0, 3)]
    assert found.scores.tolist() == [[3, 0, 3, 2], [1, 3, 3, 3], [3, 3, 3, 3]]
    assert found.guardrail == "backtrack"


def test_learned_weights_find_the_strategy_that_knows() -> None:
    """A toy model whose accuracy falls by the heads' worth: one strategy knows it, one says noise."""
    defender = make()
    worth = np.random.default_rng(1).random(defender.shape)
    defender.accuracy = lambda pruned, rows=None: 0.9 - 0.02 * float(worth[pruned].sum())  # type: ignore[method-assign]
    noise = np.random.default_rng(2).random(defender.shape)
    weights = learned_weights(defender, np.stack([noise, worth]), HybridParams(learned=True, sets=40))
    assert weights[1] > 10 * weights[0]
    defender.accuracy = lambda pruned, rows=None: 0.9  # type: ignore[method-assign]
    assert (learned_weights(defender, np.stack([noise, worth]), HybridParams(learned=True)) == 1).all()


def test_learned_weights_are_told() -> None:
    found = hybrid(strategies=("gradient", "ensemble:published"), learned=True, sets=8)
    said = r"Weights learned from clean rows: gradient [01]\.\d\d, ensemble:published [01]\.\d\d\."
    assert re.fullmatch(said, found.note) and not hybrid(strategies=TWO, weights=(1, 2)).note


@pytest.mark.parametrize("fusion", ["rank-mean", "borda"])
def test_learned_weights_are_those_that_the_importances_are_mixed_by(fusion: str) -> None:
    """A head costs ¾ of its place by gradient and ¼ of its place by variance: that is what is found."""
    defender = given()
    worth = 0.75 * defender.gradient + 0.25 * defender.variance
    asked: list[tuple[np.ndarray, int]] = []

    def accuracy(pruned: np.ndarray, rows: int) -> float:
        asked.append((pruned, rows))
        return 0.9 - 0.002 * float(worth[pruned].sum())

    defender.accuracy = accuracy
    params = {"strategies": TWO, "fusion": fusion, "learned": True, "sets": 30, "rows": 17}
    found = score(defender, Choice(name="hybrid", params=params))
    assert np.allclose(found.scores, worth / (11 if fusion == "rank-mean" else 12))
    assert found.note == "Weights learned from clean rows: gradient 0.75, variance 0.25."
    assert {rows for _, rows in asked} == {17} and len(asked) == 1 + 30
    assert not any(pruned.all(axis=1).any() for pruned, _ in asked), "no layer goes as a whole"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"strategies": ("gradient", "magic")}, "no strategy 'magic'"),
        ({"strategies": ("gradient", "hybrid")}, "no strategy 'hybrid'"),
        ({"strategies": ("gradient",)}, "at least 2"),
        ({"weights": (1, 2, 3)}, "3 weights for 2"),
        ({"weights": (0, 0)}, "not all 0"),
        ({"fusion": "intersection", "learned": True}, "weights are learned only"),
        ({"fusion": "sequential", "weights": (1, 2)}, "sequential does not use weights"),
        ({"strategies": ("sparsification", "sparsification {l1: 0.5}")}, "different first fine-tunings"),
    ],
)
def test_a_wrong_hybrid_is_told(params: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        COMPONENTS["hybrid"].parse(params)


def test_a_hybrid_with_sparsification_fine_tunes_as_it_does() -> None:
    params = COMPONENTS["hybrid"].parse({"strategies": ("gradient", "sparsification")})
    assert params.fine_tune_regulariser("").l1 == 1e-4
    assert COMPONENTS["hybrid"].parse({}).fine_tune_regulariser("") is None


def test_no_head_is_an_empty_order() -> None:
    assert score(make(), Choice(name="none")).order == []


def test_parts_may_be_variants_with_parameters() -> None:
    draws = "ensemble:published {draws: 3}"
    published = score(make(), Choice(name="ensemble", variant="published", params={"draws": 3}))
    assert hybrid(strategies=(draws, "gradient"), fusion="borda", weights=(1, 0)).order[
        : len(published.order)
    ] == (published.order)
    defender = make(threshold=0.0)
    found = score(defender, Choice(name="as-many-random", params={"strategy": "layer-variance:published"}))
    taken = score(make(), Choice(name="layer-variance", variant="published")).order
    layers = range(defender.shape[0])
    assert [sum(head[0] == layer for head in found.order) for layer in layers] == [
        sum(head[0] == layer for head in taken) for layer in layers
    ]
    written = {"name": "ensemble", "variant": "published", "params": {"draws": 3}}
    as_mapping = COMPONENTS["as-many-random"].parse({"strategy": written})
    assert as_mapping == COMPONENTS["as-many-random"].parse({"strategy": draws})
    assert as_mapping.model_dump()["strategy"] == 'ensemble:published {"draws": 3}'


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("gradient:magic", "no variant 'magic'"),
        ("ensemble {colour: 1}", "colour"),
        ("ensemble [", "not readable YAML"),
        ("ensemble 3", "params"),
    ],
)
def test_a_wrong_part_is_told(written: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        COMPONENTS["as-many-random"].parse({"strategy": written})
