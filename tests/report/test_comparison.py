"""Several runs together: the Pareto front, heads in common, and the figures of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.report.comparison import (
    PUBLISHED,
    Compared,
    overlap,
    overlap_by_chance,
    pareto_front,
    times_pruned,
)
from backend.report.figures import comparison as figures
from tests.report.test_sentences import step

POINTS = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=12)


def run(number: int, lfr: float | None = 0.4, pruned: tuple = (), title: str = "run") -> Compared:
    bounds = None if lfr is None else (max(0.0, lfr - 0.05), min(1.0, lfr + 0.05))
    return Compared(
        str(number),
        f"{title} {number}",
        "Done",
        "Rare words",
        "Gradient",
        0.9,
        (0.85, 0.94),
        lfr,
        bounds,
        list(pruned),
        (2, 3),
    )


def test_the_front_of_a_small_example() -> None:
    points = [(50, 90), (30, 88), (30, 91), (10, 80), (60, 85), (10, 80)]
    assert pareto_front(points) == [3, 5, 2]


@given(POINTS)
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(points: list[tuple[int, int]]) -> None:
    front = pareto_front(points)
    assert front
    for i, (lfr, acc) in enumerate(points):
        beaten = [j for j in front if points[j][0] <= lfr and points[j][1] >= acc and points[j] != (lfr, acc)]
        assert (i in front) != bool(beaten)
    along = [points[i] for i in front]
    assert along == sorted(along) and [acc for _, acc in along] == sorted(acc for _, acc in along)


def test_heads_in_common() -> None:
    runs = [run(1, pruned=((0, 0), (0, 1))), run(2, pruned=((0, 1), (1, 2))), run(3)]
    assert overlap(runs) == pytest.approx(np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
    assert times_pruned(runs, (2, 3)).tolist() == [[1, 2, 0], [0, 0, 1]]


def test_overlap_by_chance_is_that_of_random_sets() -> None:
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        a, b = set(random.permutation(72)[:30].tolist()), set(random.permutation(72)[:20].tolist())
        drawn.append(len(a & b) / len(a | b))
    assert overlap_by_chance(30, 20, 72) == pytest.approx(np.mean(drawn), abs=0.01)
    assert overlap_by_chance(0, 0, 72) == 1.0


def test_the_paper_s_rows_are_the_two_that_are_known_and_marked_as_theirs() -> None:
    assert [(one.acc, one.lfr) for one in PUBLISHED] == [(0.9161, 0.3171), (0.9283, 0.2811)]
    drawn = figures.scatter([run(1), run(2, 0.2)], published=True)
    assert "paper" in drawn.data[-1].name and "not run here" in drawn.data[-1].name
    assert all("paper" not in (trace.name or "") for trace in figures.scatter([run(1)]).data)


def test_names_are_text_and_not_markup_and_runs_without_lfr_are_left_out() -> None:
    drawn = figures.scatter([run(1, title="<b>odd</b>"), run(2, None)])
    names = [trace.name for trace in drawn.data]
    assert names == ["&lt;b&gt;odd&lt;/b&gt; 1"]
    curve = figures.curves({"<i>one</i>": [step(0, 0), step(1, 2)]}, "acc")
    assert curve.data[0].name == "&lt;i&gt;one&lt;/i&gt;" and list(curve.data[0].x) == [0, 2]


def test_many_names_below_a_figure_do_not_make_it_lower() -> None:
    few, many = (
        figures.curves({f"run {n}": [step(0, 0), step(1, 2)] for n in range(runs)}, "acc").layout
        for runs in (2, 24)
    )
    assert many.height - many.margin.b == few.height - few.margin.b
    assert many.legend.maxheight >= 24 / 2 * 19 and many.legend.maxheight < many.margin.b
