"""Compares two defenses of one victim on the same rows: differences, intervals and McNemar's test."""

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
    """The difference of a share, first defense minus second, mean over seeds.

    `low` to `high` is a 95 % interval (see `_interval`); `p` is that of McNemar's exact
    test, the largest of the seeds, so that a small one holds for each of them."""

    mean: float
    low: float
    high: float
    p: float
    seeds: int


@dataclass(frozen=True)
class Comparison:
    """A defense compared with another on the rows that both were measured on."""

    defense: str
    acc: Difference | None
    lfr: Difference | None

    @property
    def seeds(self) -> int:
        """How many seeds are compared."""
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
    """The difference of the shares of true rows, from a pair of defenses for each seed; None without rows.
    Raises ValueError where a pair's numbers of rows differ."""
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
    """ACC and LFR of two defenses, from a pair of predictions for each seed; seeds whose rows differ are left
    out."""
    same = [(first, second) for first, second in pairs if first.labels == second.labels]
    triggered = [(first, second) for first, second in same if len(first.triggered) == len(second.triggered)]
    return Comparison(
        defense,
        difference([(first.correct, second.correct) for first, second in same]),
        difference([(first.flipped, second.flipped) for first, second in triggered]),
    )


def comparisons(record: StudyRecord, victim: str, against: str) -> list[Comparison]:
    """Every other defense of the victim compared with `against`, over the seeds that both finished."""
    seeds = list(dict.fromkeys(record.study.seeds))
    others = {seed: _predictions(record.runs.get((victim, against, seed))) for seed in seeds}
    compared = []
    for defense in record.study.defenses:
        own = {seed: _predictions(record.runs.get((victim, defense, seed))) for seed in seeds}
        pairs = [(first, second) for seed in seeds if (first := own[seed]) and (second := others[seed])]
        if defense != against and pairs:
            compared.append(compare(pairs, defense))
    return compared


def _predictions(run: RunRecord | None) -> Predictions | None:
    """The predictions of the last model that the run measured."""
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
    """The p-value of McNemar's test, rounded."""
    if gap is None:
        return "–"
    return "< 0.001" if gap.p < 0.001 else f"{gap.p:.3f}"
