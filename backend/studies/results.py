"""What a study found: a row for each victim and defense, over its seeds."""

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
    """One victim under one defense, of the runs that are done.  `flip` is the clean flip rate, `floor` the
    LFR of the never-poisoned reference, `excess` LFR minus it, both where the study has one; `acc_before`
    and `lfr_before` are those with heads pruned and no second fine-tuning, None where no seed pruned any;
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
    """The heads that one defense pruned, on a grid of `layers` × `heads`, and the order in which they
    were to go (empty if they went all at once).  `tied`: all heads score alike up to float32 rounding."""

    defense: str
    layers: int
    heads: int
    pruned: list[Head]
    order: list[Head]
    tied: bool

    @property
    def layers_gone(self) -> list[int]:
        """Those that lost every head, or all but the last, which the guardrail leaves."""
        gone = Counter(layer for layer, _ in self.pruned)
        return [layer for layer in range(self.layers) if gone[layer] >= max(self.heads - 1, 1)]

    @property
    def by_layer(self) -> bool:
        """Whether the order takes layer after layer, each in one piece."""
        if not self.order:
            return False
        turns = sum(one[0] != other[0] for one, other in pairwise(self.order))
        return turns == len({layer for layer, _ in self.order}) - 1


def heads_of(store: Store, record: StudyRecord, victim: str, seed: int) -> list[HeadsOf]:
    """Of the victim's finished runs of that seed that pruned any head."""
    found = []
    for defense in record.study.defenses:
        run = record.runs.get((victim, defense, seed))
        if run is None or run.state != "done" or run.summary is None or not run.summary.pruned_heads:
            continue
        scores = [event for _, event in store.events(run.id, types=["head_scores"])]
        if scores and isinstance(scores[-1], HeadScores):
            grid = scores[-1]
            pruned = run.summary.pruned_heads
            order = grid.order if grid.guardrail != "none" else []
            found.append(HeadsOf(defense, grid.layers, grid.heads, pruned, order, _tied(grid)))
    return found


def _tied(grid: HeadScores) -> bool:
    scores = np.array([score for line in grid.scores for score in line if score is not None])
    return len(scores) > 1 and bool(np.ptp(scores) <= ROUNDING * np.abs(scores).max())


def in_words(one: HeadsOf) -> str:
    """How many heads went, and how."""
    said = [count(len(one.pruned), "head")]
    said += [] if one.order else ["all at once"]
    said += ["layer by layer"] if one.by_layer else []
    said += ["in an order that rounding decides"] if one.tied else []
    return ", ".join(said)


def remarks(found: Sequence[HeadsOf]) -> list[str]:
    """A sentence for each defense whose order rounding decides, or that goes layer by layer."""
    said = []
    for one in found:
        gone = f" It emptied {len(one.layers_gone)} of {one.layers} layers but for the head that each keeps."
        gone = gone if one.layers_gone else ""
        if one.tied:
            went = "whole layers go" if one.by_layer else "heads go"
            alike = "all heads score alike but for rounding"
            said.append(f"{one.defense}: {alike}, so {went} in an order that rounding decides.{gone}")
        elif one.by_layer:
            said.append(f"{one.defense}: heads go layer by layer.{gone}")
    return said


def mean_of(values: Sequence[float | None], least: float = 0.0) -> Mean | None:
    """Of the values that there are; None if there is none.  No interval leaves `least` to 1."""
    found = np.array([value for value in values if value is not None])
    if not len(found):
        return None
    mean = float(found.mean())
    if len(found) < 2:
        return Mean(mean, None, None, None, len(found))
    deviation, half = float(found.std(ddof=1)), student(found)
    return Mean(mean, deviation, max(least, mean - half), min(1.0, mean + half), len(found))


def rows(record: StudyRecord) -> list[Row]:
    """The study's table as far as it is known, in the order of its grid."""
    return [
        _row(record, victim, defense) for victim in record.study.victims for defense in record.study.defenses
    ]


def _row(record: StudyRecord, victim: str, defense: str) -> Row:
    seeds = list(dict.fromkeys(record.study.seeds))
    runs = {seed: record.runs.get((victim, defense, seed)) for seed in seeds}
    done = {seed: run for seed, run in runs.items() if run is not None and run.state == "done"}
    floors = {seed: floor_of(record, victim, seed, result(run)) for seed, run in done.items()}

    def over(read: Callable[[Metrics], float | None], model: ModelName | None = None) -> Mean | None:
        return mean_of([read(found) for run in done.values() if (found := result(run, model))])

    def excess(seed: int, run: RunRecord) -> float | None:
        found, floor = result(run), floors[seed]
        return None if found is None or found.lfr is None or floor is None else found.lfr - floor

    ends = [run.summary for run in done.values() if run.summary]
    pruned = [len(end.pruned_heads) for end in ends if "pruned" in end.metrics]
    cut: ModelName | None = "pruned" if any(pruned) else None
    return Row(
        victim=victim,
        defense=defense,
        acc=over(lambda m: m.acc),
        lfr=over(lambda m: m.lfr),
        flip=over(lambda m: m.clean_flip_rate),
        floor=mean_of(list(floors.values())),
        excess=mean_of([excess(seed, run) for seed, run in done.items()], least=-1.0),
        acc_before=over(lambda m: m.acc, cut) if cut else None,
        lfr_before=over(lambda m: m.lfr, cut) if cut else None,
        heads=float(np.mean(pruned)) if pruned else None,
        seconds=float(np.mean([end.seconds for end in ends])) if ends else None,
        states=dict(Counter(record.state((victim, defense, seed)) for seed in seeds)),
        problems=[run.summary.error for run in runs.values() if run and run.summary and run.summary.error],
    )


def result(run: RunRecord | None, model: ModelName | None = None) -> Metrics | None:
    """What a run that is done measured of that model, or of its last one.  None of one that failed or was
    cancelled: its last model is the victim, or one that the defense was not done with."""
    if run is None or run.state != "done" or run.summary is None:
        return None
    return run.summary.metrics.get(model) if model else run.final_metrics


def took_nothing(record: StudyRecord, victim: str) -> list[str]:
    """The defenses of the victim that were to prune, and took no head in any run that is done."""
    pruned: dict[str, list[bool]] = {}
    for (of, defense, _), run in record.runs.items():
        chosen = run.spec.defense_params.strategies() if run.spec and run.spec.defense_params else ()
        prunes = any(strategies.COMPONENTS[strategy.name].prunes for strategy in chosen)
        if of == victim and run.state == "done" and run.summary and prunes:
            pruned.setdefault(defense, []).append(bool(run.summary.pruned_heads))
    return [name for name in record.study.defenses if name in pruned and not any(pruned[name])]


def floor_of(record: StudyRecord, victim: str, seed: int, beside: Metrics | None) -> float | None:
    """LFR of the never-poisoned model on the victim's triggered rows, of the same seed; None where `beside`
    was measured on a sample of them (ONION)."""
    found = result(_reference(record, victim, seed))
    return found.lfr if found and beside and found.triggered_rows == beside.triggered_rows else None


def references(record: StudyRecord) -> list[str]:
    """The study's never-poisoned references, by what it calls them."""
    study = record.study.defenses
    return [name for name, one in study.items() if REFERENCE in (one.get("name"), one.get("baseline"))]


def _reference(record: StudyRecord, victim: str, seed: int) -> RunRecord | None:
    """The run of the victim's never-poisoned model of that seed."""
    runs = [record.runs.get((victim, name, seed)) for name in references(record)]
    return next((run for run in runs if result(run)), None)


def doubtful_floors(record: StudyRecord) -> list[str]:
    """A sentence for each victim whose never-poisoned reference errs clearly more on clean rows than another
    of its defenses: its LFR comes from that in part."""
    found = {}
    for (victim, defense, seed), run in record.runs.items():
        honest, other = result(_reference(record, victim, seed)), result(run)
        if honest and other and errs_more(honest, other):
            found[victim] = (
                f"{victim}: the never-poisoned model errs more on clean rows (ACC {percent(honest.acc)}) "
                f"than {defense} (ACC {percent(other.acc)}), seed {seed}. Its LFR comes from that in part "
                "and is no sure floor."
            )
    return list(found.values())


def notes(record: StudyRecord) -> list[str]:
    """What has to be read with the table: see `not_done` and `doubtful_floors`."""
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


def cell_text(found: Mean | None) -> str:
    """Percent: mean ± standard deviation (95 % interval of the mean), or one seed marked so."""
    if found is None:
        return "–"
    if found.deviation is None:
        return f"{rounded(100 * found.mean, 1):.1f} (1 seed)"
    low, high = (rounded(100 * (bound or 0.0), 0) for bound in (found.low, found.high))
    return f"{rounded(100 * found.mean, 1):.1f} ± {100 * found.deviation:.1f} ({low:.0f} to {high:.0f})"


SHORT = ("ACC", "LFR", "Excess LFR")


def short_table(found: Sequence[Row]) -> list[dict[str, str]]:
    """The columns that matter most, without intervals: for a narrow terminal."""
    return [
        {"Victim": row.victim, "Defense": row.defense}
        | {title: cell_text(COLUMNS[title](row)).partition(" (")[0] for title in SHORT}
        | {"Heads": _heads(row), "Seeds": _seeds(row)}
        for row in found
    ]


def _heads(row: Row) -> str:
    return "–" if row.heads is None else f"{row.heads:.1f}"


def _seeds(row: Row) -> str:
    return f"{row.states.get('done', 0)} of {sum(row.states.values())}"


def table(found: Sequence[Row]) -> list[dict[str, str]]:
    """A row of text for each row, in percent."""
    return [
        {"Victim": row.victim, "Defense": row.defense}
        | {title: cell_text(read(row)) for title, read in COLUMNS.items()}
        | {
            "Heads": _heads(row),
            "Seconds": "–" if row.seconds is None else f"{row.seconds:.0f}",
            "Seeds done": _seeds(row),
        }
        for row in found
    ]


def not_done(record: StudyRecord) -> list[str]:
    """A line for each reason for which runs failed, and one for how many were not carried out yet."""
    failed: dict[str, list[str]] = {}
    for victim, defense, seed in record.places:
        run = record.runs.get((victim, defense, seed))
        if run is not None and run.state == "failed":
            failed.setdefault(reason(run), []).append(f"{victim} · {defense}, seed {seed}")
    found = [f"Failed: {'; '.join(names)}. {why}" for why, names in failed.items()]
    waiting = {state: n for state, n in record.states().items() if state not in ("done", "failed")}
    if waiting:
        said = ", ".join(f"{number} {state}" for state, number in waiting.items())
        found.append(f"Runs without a result yet: {said}.")
    return found


def reason(run: RunRecord) -> str:
    """Why a run failed, in one line; empty where it says none."""
    return " ".join((run.summary.error or "").split()) if run.summary else ""
