"""A small grid, what stands in for the pipeline, and ways to put its runs into the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backend.base.events import HeadScores, Metrics, RunFinished, RunStarted
from backend.runs import leases
from backend.runs.leases import Lease
from backend.runs.store import Store
from backend.studies import store as records
from backend.studies.spec import Cell, StudySpec

GRID: dict[str, Any] = {
    "name": "Small grid",
    "base": {"defense": {"prune_step": 3}},
    "victims": {
        "rare": {"trigger": {"name": "rare-words"}, "attack": {"poison_rate": 0.3}},
        "style": {"trigger": {"name": "style"}, "attack": {"poison_rate": 0.2}},
    },
    "defenses": {
        "honest": {"baseline": "reference"},
        "FT": {"baseline": "ft"},
        "gradient": {"strategy": "gradient", "variant": "published", "prune_step": 2},
    },
    "seeds": [1, 2],
}


def engine(spec: Any, folder: Path, *, run: str, **_: object) -> Iterator[Any]:
    """Stands in for the pipeline: LFR tells the seed and whether the victim was poisoned."""
    yield RunStarted(run=run, spec=spec.model_dump(mode="json"), device="none")
    if spec.trigger.name == "style" and spec.seed == 2:
        yield RunFinished(run=run, state="failed", error="The style | is 50% gone.")
        return
    grid = [(layer, head) for layer in range(2) for head in range(2)]
    scores = [[0.0, 1.0], [2.0, 3.0]]
    yield HeadScores(run=run, strategy="gradient", layers=2, heads=2, scores=scores, order=grid)
    lfr = 0.1 if spec.attack is None else 0.5 + spec.seed / 10
    metrics = Metrics(acc=0.9, acc_interval=(0.8, 1.0), test_rows=10, lfr=lfr, clean_flip_rate=0.05)
    pruned = {"pruned": metrics.model_copy(update={"lfr": 0.8})} if spec.setting("refine") else {}
    final = {"fine_tuned": metrics, **pruned, **({"defended": metrics} if pruned else {})}
    yield RunFinished(run=run, state="done", metrics=final, pruned_heads=[(0, 1)], seconds=3.0)


def hold(store: Store, record: records.StudyRecord, cell: Cell) -> Lease:
    """A new run of the cell, and the right to work on it."""
    run = records.enter(store, records.read_study_record(store, record.id), cell)
    lease = leases.claim(store, "here", run)
    assert lease is not None
    return lease


def queue(store: Store, study: StudySpec, part: records.Part = records.WHOLE) -> records.StudyRecord:
    record = records.current(store, study)
    return records.queue(store, record, records.wanted_cells(store, record, part))
