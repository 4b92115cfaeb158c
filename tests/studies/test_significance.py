"""Differences of two defenses on the same rows: their size, interval and test."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.base.events import Metrics, RunFinished
from backend.base.paths import run_folder
from backend.evaluation.predictions import Predictions
from backend.runs import leases
from backend.runs.store import open_store
from backend.studies import store as records
from backend.studies.significance import comparisons, difference, difference_text, p_text
from backend.studies.spec import cells, parse_study
from tests.studies.grid import GRID, hold

ROUNDING = 1e-12
MANY = tuple(np.random.default_rng(5).random((2, 2000)) < [[0.7], [0.4]])
STANDARD_ERROR = (MANY[0].astype(int) - MANY[1]).std() / 2000**0.5
ROWS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def as_pair(rows: list[tuple[bool, bool]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(rows, dtype=bool)
    return both[:, 0], both[:, 1]


def test_mcnemar_counts_only_rows_on_which_the_two_differ() -> None:
    # 8 rows only the first has, 1 only the second: the exact two-sided p is 2 · (1 + 9) / 2⁹.
    first = np.array([True] * 8 + [False] + [True] * 91)
    second = np.array([False] * 8 + [True] + [True] * 91)
    found = difference([(first, second)])
    assert found is not None
    assert found.p == pytest.approx(2 * 10 / 512)
    assert found.mean == pytest.approx(0.07) and found.low > 0 and found.seeds == 1
    assert difference_text(found).startswith("+7.0 (+") and p_text(found) == "0.039"


@settings(max_examples=30)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_the_interval_holds_the_mean_and_turns_with_the_pair(seeds: list[list[tuple[bool, bool]]]) -> None:
    pairs = [as_pair(rows) for rows in seeds]
    found, turned = difference(pairs), difference([(second, first) for first, second in pairs])
    assert found is not None and turned is not None
    assert found.low - ROUNDING <= found.mean <= found.high + ROUNDING
    assert -1 <= found.low <= found.high <= 1
    assert turned.mean == pytest.approx(-found.mean)
    assert turned.low == pytest.approx(-found.high) and turned.high == pytest.approx(-found.low)
    assert turned.p == pytest.approx(found.p) and 0 < found.p <= 1


def test_the_interval_of_one_seed_is_as_wide_as_chance_in_its_rows_makes_it() -> None:
    found = difference([MANY])
    assert found is not None
    assert found.high - found.mean == pytest.approx(1.96 * STANDARD_ERROR, rel=0.1)
    assert found.mean - found.low == pytest.approx(1.96 * STANDARD_ERROR, rel=0.1)


def test_seeds_that_agree_leave_the_chance_in_the_rows_they_share() -> None:
    """Three times the same rows are no more rows."""
    found = difference([MANY] * 3)
    assert found is not None and found.seeds == 3
    assert found.high - found.low == pytest.approx(2 * 1.96 * STANDARD_ERROR, rel=0.1)


def test_rows_that_one_seed_wins_and_another_loses_leave_no_doubt() -> None:
    """The same rows are drawn for every seed, so that these cancel in each draw."""
    first, second = np.arange(200) % 2 == 0, np.arange(200) % 2 == 1
    found = difference([(first, second), (second, first)])
    assert found is not None and found.low == found.mean == found.high == 0


def test_chance_in_the_seeds_comes_on_top_of_chance_in_the_rows() -> None:
    """Three seeds of 200 rows that gain 20, 30 and 40 points and lose none."""
    gains = [np.arange(200) % 100 < share for share in (20, 30, 40)]
    found = difference([(gain, np.zeros(200, dtype=bool)) for gain in gains])
    assert found is not None and found.mean == pytest.approx(0.3)
    # Student's t for 2 degrees of freedom is 4.303, the seeds' standard deviation 10 points.
    seeds = 4.303 * 0.1 / 3**0.5
    rows = 1.96 * np.mean(gains, axis=0).std() / 200**0.5
    assert found.high - found.mean == pytest.approx(np.hypot(seeds, rows), rel=0.02)
    assert found.high - found.mean > 1.01 * seeds


def test_what_holds_in_one_seed_only_is_not_called_sure() -> None:
    clear = np.ones(200, dtype=bool), np.arange(200) < 120
    none = np.arange(200) < 150, np.arange(200) < 150
    alone, both = difference([clear]), difference([clear, none])
    assert alone is not None and both is not None
    assert alone.low > 0.3 and p_text(alone) == "< 0.001"
    assert both.low <= 0 and both.p == 1.0


def test_nothing_to_compare() -> None:
    assert difference([]) is None and difference_text(None) == p_text(None) == "–"
    with pytest.raises(ValueError, match="3 rows cannot be paired with 2"):
        difference([(np.ones(3, bool), np.ones(2, bool))])


def test_defenses_of_a_study_are_compared_where_both_are_done(excise_home: Path) -> None:
    store = open_store()
    study = parse_study(GRID | {"victims": {"rare": GRID["victims"]["rare"]}})
    record = records.read_study_record(store, records.register(store, study))
    flips = {"FT": [1, 1, 1, 1, 1, 1], "gradient": [1, 0, 0, 0, 0, 0]}
    for cell in cells(study):
        if cell.defense not in flips or (cell.defense, cell.seed) == ("gradient", 2):
            continue
        lease = hold(store, record, cell)
        folder = run_folder(lease.run) / "defended"
        folder.mkdir(parents=True)
        calls = Predictions([0, 1, 1], [0, 1, 0], flips[cell.defense], 1)
        if cell.defense == "gradient":
            calls = dataclasses.replace(calls, test=[0, 1, 0])
        calls.save(folder)
        metrics = Metrics(acc=0.5, acc_interval=(0, 1), test_rows=3)
        end = RunFinished(run=lease.run, state="done", metrics={"defended": metrics})
        leases.finish(store, lease, end)
    record = records.read_study_record(store, record.id)
    found = comparisons(record, "rare", "FT")
    assert [one.defense for one in found] == ["gradient"], "the reference is not done"
    assert found[0].lfr is not None and found[0].acc is not None
    assert found[0].lfr.seeds == 1 and found[0].lfr.mean == pytest.approx(-5 / 6)
    assert found[0].lfr.p == pytest.approx(2 / 2**5) and found[0].acc.mean == pytest.approx(1 / 3)
