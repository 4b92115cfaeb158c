"""Studies in the run store: which runs are theirs, and how far they are."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import ValidationError

from backend.components import explain
from backend.errors import UserError
from backend.runs.records import RunRecord, read_record
from backend.runs.schema import RUNS, STUDIES, STUDY_RUNS
from backend.runs.settings import settled
from backend.runs.store import Store
from backend.studies.spec import Cell, Place, StudySpec, cells, places, study_id


@dataclass(frozen=True)
class StudyRecord:
    """A study that was started, and the latest run of each of its cells that has one.

    `problem` says why the stored study is not valid in this version of Excise; it has no cells then."""

    id: str
    study: StudySpec
    created: float
    runs: dict[Place, RunRecord]
    problem: str | None = None

    @property
    def places(self) -> list[Place]:
        """Of its grid: what a page needs of it, at no cost."""
        return places(self.study)

    def states(self) -> dict[str, int]:
        """How many cells are in which state; `waiting` are those without a run."""
        counts: dict[str, int] = {}
        for place in self.places:
            run = self.runs.get(place)
            state = run.state if run else "waiting"
            counts[state] = counts.get(state, 0) + 1
        return counts

    @property
    def over(self) -> bool:
        """Whether no run of it is queued or running."""
        return all(run.over for run in self.runs.values())

    @property
    def complete(self) -> bool:
        """Whether every cell has a run and all are over."""
        return self.over and "waiting" not in self.states()


def register(store: Store, study: StudySpec) -> str:
    """Note the study in the store, once; gives back its id."""
    found = study_id(study)
    row = {"id": found, "name": study.name, "spec": study.model_dump_json(), "created": time.time()}
    with suppress(sa.exc.IntegrityError), store.writing() as connection:  # it is known already
        connection.execute(sa.insert(STUDIES).values(row))
    return found


def studies(store: Store) -> list[StudyRecord]:
    """All studies, the newest first."""
    query = sa.select(STUDIES.c.id).order_by(STUDIES.c.created.desc())
    with store.reading() as connection:
        ids = [found for (found,) in connection.execute(query)]
    return [read_study_record(store, one) for one in ids]


def read_study_record(store: Store, study: str) -> StudyRecord:
    """The study of that id; raises UserError if there is none."""
    latest = (
        sa.select(STUDY_RUNS, RUNS)
        .join(RUNS, RUNS.c.id == STUDY_RUNS.c.run)
        .where(STUDY_RUNS.c.study == study)
        .order_by(RUNS.c.created)
    )
    with store.reading() as connection:
        row = connection.execute(sa.select(STUDIES).where(STUDIES.c.id == study)).mappings().first()
        runs = connection.execute(latest).mappings().all()
    if row is None:
        raise UserError(f"There is no study {study!r} in this store.")
    problem = None
    try:
        spec = StudySpec.model_validate_json(row["spec"])
    except ValidationError as error:
        problem = f"The stored study is not valid any more. {explain(error)}"
        spec = StudySpec.model_construct(name=row["name"], victims={}, defenses={}, seeds=[])
    return StudyRecord(
        id=row["id"],
        study=spec,
        created=row["created"],
        runs={(run["victim"], run["defense"], run["seed"]): read_record(run) for run in runs},
        problem=problem,
    )


def assign(store: Store, study: str, cell: Cell, run: str) -> None:
    """Say that a run is that of a cell; the newest one counts.  Raises UserError if either is gone."""
    row = {"study": study, "victim": cell.victim, "defense": cell.defense, "seed": cell.seed, "run": run}
    try:
        with store.writing() as connection:
            known = sa.select(STUDY_RUNS).where(STUDY_RUNS.c.run == run)
            if connection.execute(known).first() is None:
                connection.execute(sa.insert(STUDY_RUNS).values(row))
    except sa.exc.IntegrityError as error:
        raise UserError(f"The study {study!r} was forgotten, or its run {run} deleted.") from error


def open_places(record: StudyRecord, only: Sequence[Place] | None = None) -> list[Place]:
    """The places (those in `only` if given) that have no run, or one that failed or was cancelled."""
    return [
        place
        for place in record.places
        if (only is None or place in only)
        and ((run := record.runs.get(place)) is None or run.state in ("failed", "cancelled"))
    ]


def queue(store: Store, study: StudySpec, only: Sequence[Place] | None = None) -> StudyRecord:
    """Queue every cell (those in `only` if given) that is not done or under way.

    Failed and cancelled runs go on from their last finished stage."""
    wanted = {cell.place: (cell, settled(cell.spec, store)) for cell in cells(study)}  # or none is queued
    record = read_study_record(store, register(store, study))
    for place in open_places(record, only):
        cell, spec = wanted[place]
        if run := record.runs.get(place):
            store.resume(run.id)
        else:
            assign(store, record.id, cell, store.submit(spec).id)
    return read_study_record(store, record.id)


def cancel(store: Store, record: StudyRecord) -> None:
    """Ask every run of the study that is not over to stop."""
    for run in record.runs.values():
        if not run.over:
            store.cancel(run.id)


def forget(store: Store, record: StudyRecord) -> None:
    """Remove the study; its runs stay.  Raises UserError while one of them is not over."""
    if not record.over:
        raise UserError("The study is under way. Cancel it first.")
    with store.writing() as connection:
        connection.execute(sa.delete(STUDY_RUNS).where(STUDY_RUNS.c.study == record.id))
        connection.execute(sa.delete(STUDIES).where(STUDIES.c.id == record.id))
