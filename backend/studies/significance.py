"""Two defenses of one victim on the same rows: by how much they differ, and whether chance does as much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from backend.base.intervals import student
from backend.base.numbers import rounded
from backend.base.paths import run_folder
from backend.evaluation.predictions import Predictions, read_predictions
from backend.runs.records import RunRecord
from backend.studies.store import StudyRecord

RESAMPLES = 1000

Rows = Bool[np.ndarray, "row"]


@dataclass(frozen=True)
class Difference:
    """Of a share, the first defense minus the second, mean over seeds.

    `low` to `high` is a 95 % interval (see `_interval`); `p` the largest over the seeds of McNemar's exact
    test, so that a small one holds for each of them."""

    mean: float
    low: float
    high: float
    p: float
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """A defense beside another on the rows that both were measured on."""

    defense: str
    acc: Difference | None
    lfr: Difference | None

    @property
    def seeds(self) -> int:
        """How many are compared."""
        return max((gap.seeds for gap in (self.acc, self.lfr) if gap), default=0)

    @property
    def columns(self) -> dict[str, str]:
        """In percentage points, with p."""
        return {
            "ACC, points": difference_text(self.acc),
            "p, ACC": p_text(self.acc),
            "LFR, points": difference_text(self.lfr),
            "p, LFR": p_text(self.lfr),
        }


def difference(pairs: Sequence[tuple[Rows, Rows]]) -> Difference | None:
    """Of the shares of true rows, a pair of defenses for each seed; None without a row.  Raises
    ValueError where a pair's rows are not as many."""
    pairs = [(first, second) for first, second in pairs if len(first)]
    if not pairs:
        return None
    gaps = []
    for first, second in pairs:
        if len(first) != len(second):
            raise ValueError(f"{len(first)} rows cannot be paired with {len(second)}")
        gaps.append(first.astype(np.int8) - second.astype(np.int8))
    mean = float(np.mean([gap.mean() for gap in gaps]))
    low, high = _interval(gaps)
    return Difference(
        mean=mean,
        low=max(-1.0, low),
        high=min(1.0, high),
        p=max(_mcnemar(gap) for gap in gaps),
        seeds=len(gaps),
    )


def _interval(gaps: Sequence[np.ndarray]) -> tuple[float, float]:
    """Of the mean.  One seed: a paired bootstrap over rows.  Several: Student's half width over the seeds'
    means and 1.96 standard errors of that bootstrap, as the root of the sum of their squares, since the
    seeds are measured on the same rows.  Drawing three seeds with replacement would make it too narrow."""
    drawn = _resampled(gaps)
    if len(gaps) == 1:
        low, high = np.quantile(drawn, (0.025, 0.975))
        return float(low), float(high)
    means = [gap.mean() for gap in gaps]
    half = float(np.hypot(student(means), 1.96 * drawn.std()))
    return float(np.mean(means)) - half, float(np.mean(means)) + half


def _resampled(gaps: Sequence[np.ndarray]) -> np.ndarray:
    """Means over the seeds of rows drawn with replacement, the same rows for each of them."""
    random = np.random.default_rng(0)
    means = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        places = random.random(max(map(len, gaps)))
        means[number] = np.mean([gap[(places[: len(gap)] * len(gap)).astype(int)].mean() for gap in gaps])
    return means


def _mcnemar(gap: np.ndarray) -> float:
    from scipy.stats import binomtest  # slow to import, and most pages need none of it

    only_first, only_second = int((gap == 1).sum()), int((gap == -1).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def compare(pairs: Sequence[tuple[Predictions, Predictions]], defense: str) -> Comparison:
    """ACC and LFR of two defenses, a pair of calls for each seed; seeds whose rows are not the same are
    left out."""
    same = [(one, other) for one, other in pairs if one.labels == other.labels]
    triggered = [(one, other) for one, other in same if len(one.triggered) == len(other.triggered)]
    return Comparison(
        defense,
        difference([(one.right, other.right) for one, other in same]),
        difference([(one.flipped, other.flipped) for one, other in triggered]),
    )


def comparisons(record: StudyRecord, victim: str, against: str) -> list[Comparison]:
    """Every other defense of the victim beside `against`, over the seeds that both have done."""
    seeds = list(dict.fromkeys(record.study.seeds))
    other = {seed: _calls(record.runs.get((victim, against, seed))) for seed in seeds}
    found = []
    for defense in record.study.defenses:
        mine = {seed: _calls(record.runs.get((victim, defense, seed))) for seed in seeds}
        pairs = [(one, two) for seed in seeds if (one := mine[seed]) and (two := other[seed])]
        if defense != against and pairs:
            found.append(compare(pairs, defense))
    return found


def _calls(run: RunRecord | None) -> Predictions | None:
    """What the last model that the run measured called the rows."""
    if run is None or run.state != "done" or run.final_model is None:
        return None
    return read_predictions(run_folder(run.id) / run.final_model)


def difference_text(gap: Difference | None) -> str:
    """In percentage points with its interval."""
    if gap is None:
        return "–"
    mean, low, high = (f"{rounded(100 * share, 1):+.1f}" for share in (gap.mean, gap.low, gap.high))
    return f"{mean} ({low} to {high})"


def p_text(gap: Difference | None) -> str:
    """Of McNemar's test, rounded."""
    if gap is None:
        return "–"
    return "< 0.001" if gap.p < 0.001 else f"{gap.p:.3f}"
