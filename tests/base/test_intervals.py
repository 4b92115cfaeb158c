"""Intervals, held against published numbers."""

import pytest

from backend.base.intervals import newcombe, wilson

# Newcombe 1998, Statistics in Medicine 17:873–890, table II, method 10: counts a of m and b of n, bounds.
PUBLISHED = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0)),
]


@pytest.mark.parametrize(("counts", "bounds"), PUBLISHED)
def test_newcombes_interval_is_the_published_one(
    counts: tuple[int, int, int, int], bounds: tuple[float, float]
) -> None:
    a, m, b, n = counts
    one, other = (a / m, wilson(a, m)), (b / n, wilson(b, n))
    assert newcombe(one, other) == pytest.approx(bounds, abs=5e-5)
    assert newcombe(other, one) == pytest.approx((-bounds[1], -bounds[0]), abs=5e-5)
