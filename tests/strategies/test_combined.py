"""Strategies made of others: hybrids, and the controls."""

import re

import numpy as np
import pytest

from backend.components import Choice
from backend.errors import UserError
from backend.strategies import COMPONENTS, score
from backend.strategies.hybrid import HybridParams, learned_weights, sequential
from backend.strategies.order import HeadOrder, ascending, rank_normalised
from tests.strategies.test_published import make


def hybrid(**params: object) -> HeadOrder:
    return score(make(), Choice(name="hybrid", params=params))


def of(name: str) -> HeadOrder:
    return score(make(), Choice(name=name))


TWO = ("gradient", "variance")


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


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"strategies": ("gradient", "magic")}, "no strategy 'magic'"),
        ({"strategies": ("gradient", "hybrid")}, "no strategy 'hybrid'"),
        ({"strategies": ("gradient",)}, "at least 2"),
        ({"weights": (1, 2, 3)}, "3 weights for 2"),
        ({"weights": (0, 0)}, "not all 0"),
        ({"fusion": "intersection", "learned": True}, "weights are learned only"),
        ({"fusion": "sequential", "weights": (1, 2)}, "sequential has no use for weights"),
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


def test_as_many_random_heads_go_from_each_layer_as_the_strategy_took() -> None:
    defender = make(threshold=0.0)
    found = score(defender, Choice(name="as-many-random", params={"strategy": "layer-variance"}))
    taken = of("layer-variance").order
    counts = [sum(layer == head[0] for head in taken) for layer in range(defender.shape[0])]
    assert [sum(layer == head[0] for head in found.order) for layer in range(defender.shape[0])] == counts
    assert len(set(found.order)) == len(found.order) and found.guardrail == "none"
    with pytest.raises(UserError, match="no strategy 'none' to imitate"):
        COMPONENTS["as-many-random"].parse({"strategy": "none"})
