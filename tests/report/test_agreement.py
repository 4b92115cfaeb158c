"""How far strategies agree on which heads matter least."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from backend.base.events import Head, HeadScores
from backend.report import agreement

GRID = [(layer, head) for layer in range(2) for head in range(3)]


def scored(order: list[Head], name: str = "gradient") -> HeadScores:
    return HeadScores(
        run="one", strategy=name, layers=2, heads=3, scores=[[0.0, 1.0, 2.0], [3.0, None, 5.0]], order=order
    )


def test_the_same_order_agrees_fully_and_the_reverse_not_at_all() -> None:
    one, reverse = scored(GRID), scored(GRID[::-1])
    assert agreement.rank_correlations([one, one, reverse]) == pytest.approx(
        np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    )
    assert agreement.overlaps([one, reverse], 3) == pytest.approx(np.array([[1, 0], [0, 1]]))
    assert agreement.overlaps([one, reverse], 6) == pytest.approx(np.ones((2, 2)))
    with pytest.raises(ValueError, match="at least 1 head"):
        agreement.overlaps([one], 0)


def test_heads_that_are_never_candidates_stand_last_together() -> None:
    places = agreement.prune_ranks(scored(GRID[:4]))
    assert places.tolist() == [0, 1, 2, 3, 4.5, 4.5]


@given(st.permutations(GRID), st.integers(1, 6))
def test_rank_correlation_is_spearman_s(order: list[Head], candidates: int) -> None:
    one, other = scored(GRID), scored(order[:candidates])
    found = agreement.rank_correlations([one, other])[0, 1]
    expected = spearmanr(agreement.prune_ranks(one), agreement.prune_ranks(other)).statistic
    assert found == pytest.approx(expected) if len(set(agreement.prune_ranks(other))) > 1 else found == 0


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=20))
def test_ranks_share_their_mean_where_values_are_equal(values: list[int]) -> None:
    found = agreement.ranks(np.array(values, dtype=float))
    assert found == pytest.approx(rankdata(values) - 1)


def test_layers_in_numbers() -> None:
    first, second = agreement.by_layer(scored(GRID[:5]), [(0, 0), (0, 1)], [(1, 0), (1, 0)])
    assert first == {
        "Layer": 0,
        "Mean importance": 1.0,
        "Mean rank": 2.0,
        "Pruned": 2,
        "Tried and restored": 0,
        "Kept": 1,
    }
    assert second["Mean importance"] == 4.0, "a head without a score is left out"
    assert second["Tried and restored"] == 1 and second["Kept"] == 3


@pytest.mark.parametrize("rho", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_the_interval_of_a_rank_correlation_holds_it_and_narrows(rho: float) -> None:
    few, many = agreement.rank_interval(rho, 10), agreement.rank_interval(rho, 144)
    assert -1 <= few[0] <= many[0] <= rho + 1e-6 and rho - 1e-6 <= many[1] <= few[1] <= 1
    assert agreement.rank_interval(rho, 3) == (-1, 1), "three pairs say nothing"
    low, high = agreement.rank_interval(0.0, 72)
    assert (low, high) == pytest.approx((-0.232, 0.232), abs=0.001)
