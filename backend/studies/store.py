"""Studies in the run store: which runs are theirs, and how far they are."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from backend.base.components import explain
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.engine.stage_cache import withdraw_defense
from backend.runs.leases import waiting
from backend.runs.records import RunRecord, read_record
from backend.runs.schema import RUNS, STUDIES, STUDY_RUNS
from backend.runs.store import Store, insert_run, queue_again
from backend.runs.submit import settled
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
        return dict(Counter(map(self.state, self.places)))

    def state(self, place: Place) -> str:
        """Of the run there; `waiting` without one."""
        run = self.runs.get(place)
        return run.state if run else "waiting"

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


def find(store: Store, id_or_prefix: str) -> StudyRecord:
    """The started study of that id, or of the only id that starts so; raises UserError if there is none."""
    query = sa.select(STUDIES.c.id).where(STUDIES.c.id.startswith(id_or_prefix, autoescape=True))
    with store.reading() as connection:
        found = list(connection.execute(query).scalars())
    if id_or_prefix not in found and len(found) > 1:
        raise UserError(f"More than one study starts with {id_or_prefix!r}: {', '.join(found)}.")
    return read_study_record(store, id_or_prefix if id_or_prefix in found else (found or [id_or_prefix])[0])


def listed_started(store: Store) -> list[dict[str, Any]]:
    """Id, name and states of the studies that were started, the newest first."""
    return [
        {
            "id": one.id,
            "name": one.study.name,
            "states": ", ".join(f"{count} {state}" for state, count in one.states().items()),
        }
        for one in studies(store)
    ]


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


@dataclass(frozen=True)
class Part:
    """Some of a study's places: those that every filter lets through, all where there is none.

    With `again` those that are done are defended once more, as new runs; with `here` those that wait for a
    worker are part of it too."""

    places: Sequence[Place] | None = None
    victims: Sequence[str] = ()
    defenses: Sequence[str] = ()
    seeds: Sequence[int] = ()
    again: bool = False
    here: bool = False

    def has(self, place: Place) -> bool:
        victim, defense, seed = place
        return (
            (self.places is None or place in self.places)
            and self.shows(victim, defense)
            and (not self.seeds or seed in self.seeds)
        )

    def shows(self, victim: str, defense: str) -> bool:
        """Whether a row of the table belongs to it."""
        return (not self.victims or victim in self.victims) and (
            not self.defenses or defense in self.defenses
        )

    def check(self, study: StudySpec) -> None:
        """Raise UserError where a filter names what the study does not have."""
        known: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
            "victim": (self.victims, list(study.victims)),
            "defense": (self.defenses, list(study.defenses)),
            "seed": (self.seeds, study.seeds),
        }
        for kind, (asked, there) in known.items():
            for one in asked:
                if one not in there:
                    names = ", ".join(map(str, there))
                    raise UserError(f"The study has no {kind} {one!r}; it has: {names}.")


WHOLE = Part()


def open_places(store: Store, record: StudyRecord, part: Part = WHOLE) -> list[Place]:
    """The places of the part without a run, with one that failed or was cancelled, or as the part says."""
    ended = ("failed", "cancelled", *(("done",) if part.again else ()))

    def is_open(run: RunRecord | None) -> bool:
        if run is None or run.state in ended:
            return True
        return part.here and not run.over and waiting(store, run.id)

    return [place for place in record.places if part.has(place) and is_open(record.runs.get(place))]


def current(store: Store, study: StudySpec) -> StudyRecord:
    """The study as far as it is: without a run if it was never started."""
    found = study_id(study)
    try:
        return read_study_record(store, found)
    except UserError:
        return StudyRecord(found, study, time.time(), {})


def wanted_cells(store: Store, record: StudyRecord, part: Part = WHOLE) -> list[Cell]:
    """The cells to carry out, fit for a worker elsewhere.

    Raises UserError for one that starts from a run that is not there, and where the part names what the
    study does not have."""
    part.check(record.study)
    if study_id(record.study) != record.id:
        raise UserError(
            "The files that the study names changed since it was started, or an older Excise started it: new "
            "runs would not stand beside those that are done. Start it anew from its YAML."
        )
    wanted = set(open_places(store, record, part))
    found = []
    for cell in cells(record.study):
        if cell.place in wanted:
            try:
                found.append(replace(cell, spec=settled(cell.spec, store)))
            except UserError as error:
                raise UserError(f"Victim {cell.victim!r}: {error}") from error
    return found


def queue(store: Store, record: StudyRecord, wanted: Sequence[Cell]) -> StudyRecord:
    """Queue those cells; failed and cancelled runs go on from their last finished stage."""
    begin(store, record, wanted)
    for cell in wanted:
        enter(store, record, cell)
    return read_study_record(store, record.id)


def begin(store: Store, record: StudyRecord, wanted: Sequence[Cell]) -> None:
    """Note the study in the store, and let no run take over what is to be defended anew: all at once, since
    the new runs share what they have in common."""
    register(store, record.study)
    for cell in wanted:
        known = record.runs.get(cell.place)
        if known is not None and known.state == "done":
            withdraw_defense(run_folder(known.id))


def enter(store: Store, record: StudyRecord, cell: Cell) -> str | None:
    """A run of the cell that waits for a worker: one that does already, the failed or cancelled one queued
    once more, or a new one.  None where another process went on with the cell since `record` was read, so
    that nothing is done twice.

    Raises UserError if the study was forgotten."""
    known = record.runs.get(cell.place)
    place = {"study": record.id, "victim": cell.victim, "defense": cell.defense, "seed": cell.seed}
    of_cell = [STUDY_RUNS.c[name] == value for name, value in place.items()]
    runs = sa.select(RUNS.c.id, RUNS.c.state).join(STUDY_RUNS, RUNS.c.id == STUDY_RUNS.c.run)
    latest = runs.where(*of_cell).order_by(RUNS.c.created.desc()).limit(1)
    with store.writing() as connection:
        study = sa.select(STUDIES.c.id).where(STUDIES.c.id == record.id).with_for_update()
        if connection.execute(study).first() is None:
            raise UserError(f"The study {record.id!r} was forgotten.")
        found = connection.execute(latest).first()
        if (tuple(found) if found else None) != ((known.id, known.state) if known else None):
            return None
        if known is None or known.state == "done":
            run = insert_run(connection, cell.spec)
            connection.execute(sa.insert(STUDY_RUNS).values(place | {"run": run}))
            return run
        if known.over:
            queue_again(connection, known.id)
        return known.id


def cancel(store: Store, record: StudyRecord, part: Part = WHOLE) -> StudyRecord:
    """Ask every run of the part that is not over to stop."""
    part.check(record.study)
    for place, run in record.runs.items():
        if not run.over and part.has(place):
            store.cancel(run.id)
    return read_study_record(store, record.id)


def forget(store: Store, record: StudyRecord, with_runs: bool = False) -> int:
    """Remove the study; its runs stay, or go too, with their models, also those that were done again since.
    Gives back how many went.

    Raises UserError while one of them is not over, or one that is not takes its model."""
    if not record.over:
        raise UserError("The study is under way. Cancel it first.")
    runs: list[str] = []
    if with_runs:
        with store.reading() as connection:
            query = sa.select(STUDY_RUNS.c.run).where(STUDY_RUNS.c.study == record.id)
            runs = list(connection.execute(query).scalars())
        store.delete(*runs)
    with store.writing() as connection:
        connection.execute(sa.delete(STUDIES).where(STUDIES.c.id == record.id))
    return len(runs)
