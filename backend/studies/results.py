"""The results of a study: a row for each victim and defense, over its seeds."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backend import strategies
from backend.base.events import Head, HeadScores, Metrics, ModelName
from backend.base.intervals import student
from backend.base.numbers import count, percent, rounded
from backend.evaluation.rates import errs_more
from backend.runs.records import RunRecord
from backend.runs.store import Store
from backend.studies.store import StudyRecord

REFERENCE = "reference"
ROUNDING = 1e-5
"""Relative differences of scores below this are those of float32 sums."""


@dataclass(frozen=True)
class Mean:
    """A share over seeds: mean, standard deviation and Student's 95 % interval of the mean (None where
    there are fewer than two)."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Row:
    """One victim under one defense, over its finished runs.  `flip` is the clean flip rate, `floor` the
    LFR of the never-poisoned reference, `excess` LFR minus it, both where the study has one; `acc_before`
    and `lfr_before` are those after pruning, without the second fine-tuning, None where no seed pruned any;
    `heads` (of the grid) and `seconds` are means."""

    victim: str
    defense: str
    acc: Mean | None
    lfr: Mean | None
    flip: Mean | None
    floor: Mean | None
    excess: Mean | None
    acc_before: Mean | None
    lfr_before: Mean | None
    heads: float | None
    seconds: float | None
    states: dict[str, int]
    problems: list[str]


@dataclass(frozen=True)
class HeadsOf:
    """The heads that one defense pruned, on a grid of `layers` × `heads`, and the order of pruning (empty if
    they were pruned all at once).  `tied`: all scores are equal up to float32 rounding."""

    defense: str
    layers: int
    heads: int
    pruned: list[Head]
    order: list[Head]
    tied: bool

    @property
    def layers_gone(self) -> list[int]:
        """Layers that lost every head, or all but the last, which the guardrail keeps."""
        pruned = Counter(layer for layer, _ in self.pruned)
        return [layer for layer in range(self.layers) if pruned[layer] >= max(self.heads - 1, 1)]

    @property
    def by_layer(self) -> bool:
        """Whether the order finishes one layer before it begins the next."""
        if not self.order:
            return False
        changes = sum(layer != next_layer for (layer, _), (next_layer, _) in pairwise(self.order))
        return changes == len({layer for layer, _ in self.order}) - 1


def heads_of(store: Store, record: StudyRecord, victim: str, seed: int) -> list[HeadsOf]:
    """The pruned heads of each of the victim's finished runs of that seed that pruned any."""
    pruned_by: list[HeadsOf] = []
    for defense in record.study.defenses:
        run = record.runs.get((victim, defense, seed))
        if run is None or run.state != "done" or run.summary is None or not run.summary.pruned_heads:
            continue
        scores = [event for _, event in store.events(run.id, types=["head_scores"])]
        if scores and isinstance(scores[-1], HeadScores):
            grid = scores[-1]
            pruned = run.summary.pruned_heads
            order = grid.order if grid.guardrail != "none" else []
            pruned_by.append(HeadsOf(defense, grid.layers, grid.heads, pruned, order, _tied(grid)))
    return pruned_by


def _tied(grid: HeadScores) -> bool:
    scores = np.array([score for line in grid.scores for score in line if score is not None])
    return len(scores) > 1 and bool(np.ptp(scores) <= ROUNDING * np.abs(scores).max())


def in_words(heads: HeadsOf) -> str:
    """How many heads were pruned, and how."""
    parts = [count(len(heads.pruned), "head")]
    parts += [] if heads.order else ["all at once"]
    parts += ["layer by layer"] if heads.by_layer else []
    parts += ["in an order decided by rounding"] if heads.tied else []
    return ", ".join(parts)


def remarks(pruned_by: Sequence[HeadsOf]) -> list[str]:
    """A sentence for each defense whose order is decided by rounding, or that prunes layer by layer."""
    sentences = []
    for heads in pruned_by:
        emptied = f" It emptied {len(heads.layers_gone)} of {heads.layers} layers except for one head each."
        emptied = emptied if heads.layers_gone else ""
        if heads.tied:
            what = "whole layers" if heads.by_layer else "heads"
            reason = "all scores are equal up to rounding"
            sentences.append(
                f"{heads.defense}: {reason}, so {what} are pruned in an order decided by rounding.{emptied}"
            )
        elif heads.by_layer:
            sentences.append(f"{heads.defense}: heads are pruned layer by layer.{emptied}")
    return sentences


def mean_of(values: Sequence[float | None], least: float = 0.0) -> Mean | None:
    """The mean of the values that are not None; None if all are.  The interval is cut to `least` to 1."""
    measured = np.array([value for value in values if value is not None])
    if not len(measured):
        return None
    mean = float(measured.mean())
    if len(measured) < 2:
        return Mean(mean, None, None, None, len(measured))
    deviation, half = float(measured.std(ddof=1)), student(measured)
    return Mean(mean, deviation, max(least, mean - half), min(1.0, mean + half), len(measured))


def rows(record: StudyRecord) -> list[Row]:
    """The study's table so far, in the order of its grid."""
    return [
        _row(record, victim, defense) for victim in record.study.victims for defense in record.study.defenses
    ]


def _row(record: StudyRecord, victim: str, defense: str) -> Row:
    seeds = list(dict.fromkeys(record.study.seeds))
    runs = {seed: record.runs.get((victim, defense, seed)) for seed in seeds}
    done = {seed: run for seed, run in runs.items() if run is not None and run.state == "done"}
    floors = {seed: floor_of(record, victim, seed, result(run)) for seed, run in done.items()}

    def over(read: Callable[[Metrics], float | None], model: ModelName | None = None) -> Mean | None:
        return mean_of([read(metrics) for run in done.values() if (metrics := result(run, model))])

    def excess(seed: int, run: RunRecord) -> float | None:
        metrics, floor = result(run), floors[seed]
        return None if metrics is None or metrics.lfr is None or floor is None else metrics.lfr - floor

    ends = [run.summary for run in done.values() if run.summary]
    pruned = [len(end.pruned_heads) for end in ends if "pruned" in end.metrics]
    pruned_model: ModelName | None = "pruned" if any(pruned) else None
    return Row(
        victim=victim,
        defense=defense,
        acc=over(lambda m: m.acc),
        lfr=over(lambda m: m.lfr),
        flip=over(lambda m: m.clean_flip_rate),
        floor=mean_of(list(floors.values())),
        excess=mean_of([excess(seed, run) for seed, run in done.items()], least=-1.0),
        acc_before=over(lambda m: m.acc, pruned_model) if pruned_model else None,
        lfr_before=over(lambda m: m.lfr, pruned_model) if pruned_model else None,
        heads=float(np.mean(pruned)) if pruned else None,
        seconds=float(np.mean([end.seconds for end in ends])) if ends else None,
        states=dict(Counter(record.state((victim, defense, seed)) for seed in seeds)),
        problems=[run.summary.error for run in runs.values() if run and run.summary and run.summary.error],
    )


def result(run: RunRecord | None, model: ModelName | None = None) -> Metrics | None:
    """The metrics of that model, or of the last one, of a finished run.  None for one that failed or was
    cancelled: its last model is the victim, or one that the defense had not finished."""
    if run is None or run.state != "done" or run.summary is None:
        return None
    return run.summary.metrics.get(model) if model else run.final_metrics


def took_nothing(record: StudyRecord, victim: str) -> list[str]:
    """The pruning defenses of the victim that pruned no head in any finished run."""
    pruned: dict[str, list[bool]] = {}
    for (of_victim, defense, _), run in record.runs.items():
        chosen = run.spec.defense_params.strategies() if run.spec and run.spec.defense_params else ()
        prunes = any(strategies.COMPONENTS[strategy.name].prunes for strategy in chosen)
        if of_victim == victim and run.state == "done" and run.summary and prunes:
            pruned.setdefault(defense, []).append(bool(run.summary.pruned_heads))
    return [name for name in record.study.defenses if name in pruned and not any(pruned[name])]


def floor_of(record: StudyRecord, victim: str, seed: int, beside: Metrics | None) -> float | None:
    """LFR of the never-poisoned model on the victim's triggered rows, of the same seed; None where `beside`
    was measured on a sample of them (ONION)."""
    metrics = result(_reference(record, victim, seed))
    return metrics.lfr if metrics and beside and metrics.triggered_rows == beside.triggered_rows else None


def references(record: StudyRecord) -> list[str]:
    """The names of the study's never-poisoned references."""
    defenses = record.study.defenses.items()
    return [name for name, given in defenses if REFERENCE in (given.get("name"), given.get("baseline"))]


def _reference(record: StudyRecord, victim: str, seed: int) -> RunRecord | None:
    """The run of the victim's never-poisoned model of that seed."""
    runs = [record.runs.get((victim, name, seed)) for name in references(record)]
    return next((run for run in runs if result(run)), None)


def doubtful_floors(record: StudyRecord) -> list[str]:
    """A sentence for each victim whose never-poisoned reference makes clearly more errors on clean rows than
    another of its defenses: part of its LFR comes from them."""
    sentences = {}
    for (victim, defense, seed), run in record.runs.items():
        clean, other = result(_reference(record, victim, seed)), result(run)
        if clean and other and errs_more(clean, other):
            sentences[victim] = (
                f"{victim}: the never-poisoned model makes more errors on clean rows (ACC "
                f"{percent(clean.acc)}) than {defense} (ACC {percent(other.acc)}), seed {seed}. Part of its "
                "LFR comes from these errors, so it is not a reliable floor."
            )
    return list(sentences.values())


def notes(record: StudyRecord) -> list[str]:
    """Notes to be read with the table: see `not_done` and `doubtful_floors`."""
    return not_done(record) + doubtful_floors(record)


COLUMNS: dict[str, Callable[[Row], Mean | None]] = {
    "ACC": lambda row: row.acc,
    "LFR": lambda row: row.lfr,
    "Clean flip rate": lambda row: row.flip,
    "LFR, never poisoned": lambda row: row.floor,
    "Excess LFR": lambda row: row.excess,
    "ACC, pruned alone": lambda row: row.acc_before,
    "LFR, pruned alone": lambda row: row.lfr_before,
}


def cell_text(share: Mean | None) -> str:
    """In percent: mean ± standard deviation (95 % interval of the mean), or the mean and "1 seed"."""
    if share is None:
        return "–"
    if share.deviation is None:
        return f"{rounded(100 * share.mean, 1):.1f} (1 seed)"
    low, high = (rounded(100 * (bound or 0.0), 0) for bound in (share.low, share.high))
    return f"{rounded(100 * share.mean, 1):.1f} ± {100 * share.deviation:.1f} ({low:.0f} to {high:.0f})"


SHORT = ("ACC", "LFR", "Excess LFR")


def short_table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The columns that matter most, without intervals: for a narrow terminal."""
    return [
        {"Victim": row.victim, "Defense": row.defense}
        | {title: cell_text(COLUMNS[title](row)).partition(" (")[0] for title in SHORT}
        | {"Heads": _heads(row), "Seeds": _seeds(row)}
        for row in rows
    ]


def _heads(row: Row) -> str:
    return "–" if row.heads is None else f"{row.heads:.1f}"


def _seeds(row: Row) -> str:
    return f"{row.states.get('done', 0)} of {sum(row.states.values())}"


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A row of text for each row, in percent."""
    return [
        {"Victim": row.victim, "Defense": row.defense}
        | {title: cell_text(read(row)) for title, read in COLUMNS.items()}
        | {
            "Heads": _heads(row),
            "Seconds": "–" if row.seconds is None else f"{row.seconds:.0f}",
            "Seeds done": _seeds(row),
        }
        for row in rows
    ]


def not_done(record: StudyRecord) -> list[str]:
    """A line for each reason why runs failed, and one for runs that have not ended."""
    failed: dict[str, list[str]] = {}
    for victim, defense, seed in record.places:
        run = record.runs.get((victim, defense, seed))
        if run is not None and run.state == "failed":
            failed.setdefault(reason(run), []).append(f"{victim} · {defense}, seed {seed}")
    lines = [f"Failed: {'; '.join(names)}. {why}" for why, names in failed.items()]
    waiting = {state: n for state, n in record.states().items() if state not in ("done", "failed")}
    if waiting:
        counts = ", ".join(f"{number} {state}" for state, number in waiting.items())
        lines.append(f"Runs without a result yet: {counts}.")
    return lines


def reason(run: RunRecord) -> str:
    """Why a run failed, in one line; empty if it has no message."""
    return " ".join((run.summary.error or "").split()) if run.summary else ""
