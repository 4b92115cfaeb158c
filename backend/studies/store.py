"""Studies in the run store: their runs and states."""

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
from backend.spec.run import RunSpec
from backend.studies.spec import Cell, Place, StudySpec, cells, places, study_id


@dataclass(frozen=True)
class StudyRecord:
    """A started study, and the latest run of each of its cells that has one.

    `problem` says why the stored study is not valid in this version of Excise; it then has no cells."""

    id: str
    study: StudySpec
    created: float
    runs: dict[Place, RunRecord]
    problem: str | None = None

    @property
    def places(self) -> list[Place]:
        """The places of its grid, without the cost of `cells`."""
        return places(self.study)

    def states(self) -> dict[str, int]:
        """The number of cells in each state; those without a run are `waiting`."""
        return dict(Counter(map(self.state, self.places)))

    def state(self, place: Place) -> str:
        """The state of the run at `place`; `waiting` without one."""
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
    """Add the study to the store, unless it is there; returns its id."""
    own_id = study_id(study)
    row = {"id": own_id, "name": study.name, "spec": study.model_dump_json(), "created": time.time()}
    with suppress(sa.exc.IntegrityError), store.writing() as connection:  # it is there already
        connection.execute(sa.insert(STUDIES).values(row))
    return own_id


def studies(store: Store) -> list[StudyRecord]:
    """All studies, the newest first."""
    query = sa.select(STUDIES.c.id).order_by(STUDIES.c.created.desc())
    with store.reading() as connection:
        ids = list(connection.execute(query).scalars())
    return [read_study_record(store, study) for study in ids]


def find(store: Store, id_or_prefix: str) -> StudyRecord:
    """The started study of that id, or of the only id that starts so; raises UserError if there is none."""
    query = sa.select(STUDIES.c.id).where(STUDIES.c.id.startswith(id_or_prefix, autoescape=True))
    with store.reading() as connection:
        ids = list(connection.execute(query).scalars())
    if id_or_prefix not in ids and len(ids) > 1:
        raise UserError(f"More than one study starts with {id_or_prefix!r}: {', '.join(ids)}.")
    return read_study_record(store, id_or_prefix if id_or_prefix in ids else (ids or [id_or_prefix])[0])


def listed_started(store: Store) -> list[dict[str, Any]]:
    """Id, name and states of the started studies, the newest first."""
    return [
        {
            "id": record.id,
            "name": record.study.name,
            "states": ", ".join(f"{count} {state}" for state, count in record.states().items()),
        }
        for record in studies(store)
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
    """Some of a study's places: those that match every filter, or all without filters.

    With `again` finished ones are defended once more, in new runs; with `here` those that wait for a worker
    belong to it too."""

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
        """Whether a row of the table belongs to the part."""
        return (not self.victims or victim in self.victims) and (
            not self.defenses or defense in self.defenses
        )

    def check(self, study: StudySpec) -> None:
        """Raise UserError if a filter names something that the study does not have."""
        filters: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
            "victim": (self.victims, list(study.victims)),
            "defense": (self.defenses, list(study.defenses)),
            "seed": (self.seeds, study.seeds),
        }
        for kind, (wanted, existing) in filters.items():
            for name in wanted:
                if name not in existing:
                    names = ", ".join(map(str, existing))
                    raise UserError(f"The study has no {kind} {name!r}; it has: {names}.")


WHOLE = Part()


def open_places(store: Store, record: StudyRecord, part: Part = WHOLE) -> list[Place]:
    """The places of the part that have no run, a failed or cancelled one, or one that `part` includes."""
    ended = ("failed", "cancelled", *(("done",) if part.again else ()))

    def is_open(run: RunRecord | None) -> bool:
        if run is None or run.state in ended:
            return True
        return part.here and not run.over and waiting(store, run.id)

    return [place for place in record.places if part.has(place) and is_open(record.runs.get(place))]


def current(store: Store, study: StudySpec) -> StudyRecord:
    """The study as stored, or without runs if it was never started."""
    own_id = study_id(study)
    try:
        return read_study_record(store, own_id)
    except UserError:
        return StudyRecord(own_id, study, time.time(), {})


def wanted_cells(store: Store, record: StudyRecord, part: Part = WHOLE) -> list[Cell]:
    """The cells to carry out, with paths that hold for a worker in another folder.

    Raises UserError for a cell that starts from a missing run, and if the part names something that the
    study does not have."""
    part.check(record.study)
    if study_id(record.study) != record.id:
        raise UserError(
            "The files of the study changed since it was started, or an older Excise started it, so new runs "
            "could not be compared with the finished ones. Start it again from its YAML."
        )
    wanted = set(open_places(store, record, part))
    settled_cells = []
    for cell in cells(record.study):
        if cell.place in wanted:
            try:
                settled_cells.append(replace(cell, spec=_as_begun(settled(cell.spec, store), record)))
            except UserError as error:
                raise UserError(f"Victim {cell.victim!r}: {error}") from error
    return settled_cells


def _as_begun(spec: RunSpec, record: StudyRecord) -> RunSpec:
    """`spec` with a fresh classifier head where earlier runs of the study had one with the same model: the
    default of a study that an older Excise started, whose runs would not be comparable otherwise."""
    if spec.model.head != "auto":
        return spec
    fresh = spec.model.model_copy(update={"head": "fresh"})
    began_so = any(run.spec is not None and run.spec.model == fresh for run in record.runs.values())
    return spec.model_copy(update={"model": fresh}) if began_so else spec


def queue(store: Store, record: StudyRecord, wanted: Sequence[Cell]) -> StudyRecord:
    """Queue those cells; failed and cancelled runs go on from their last finished stage."""
    begin(store, record, wanted)
    for cell in wanted:
        enter(store, record, cell)
    return read_study_record(store, record.id)


def begin(store: Store, record: StudyRecord, wanted: Sequence[Cell]) -> None:
    """Add the study to the store, and remove from the stage cache what is to be defended again: all before
    the first run, since the new runs share stages among themselves."""
    register(store, record.study)
    for cell in wanted:
        run = record.runs.get(cell.place)
        if run is not None and run.state == "done":
            withdraw_defense(run_folder(run.id))


def enter(store: Store, record: StudyRecord, cell: Cell) -> str | None:
    """A run of the cell that waits for a worker: a waiting one, the failed or cancelled one queued again, or
    a new one.  None if another process changed the cell since `record` was read, so that nothing is done
    twice.

    Raises UserError if the study was deleted."""
    last = record.runs.get(cell.place)
    place = {"study": record.id, "victim": cell.victim, "defense": cell.defense, "seed": cell.seed}
    of_cell = [STUDY_RUNS.c[name] == value for name, value in place.items()]
    runs = sa.select(RUNS.c.id, RUNS.c.state).join(STUDY_RUNS, RUNS.c.id == STUDY_RUNS.c.run)
    latest = runs.where(*of_cell).order_by(RUNS.c.created.desc()).limit(1)
    with store.writing() as connection:
        study = sa.select(STUDIES.c.id).where(STUDIES.c.id == record.id).with_for_update()
        if connection.execute(study).first() is None:
            raise UserError(f"The study {record.id!r} has been deleted.")
        row = connection.execute(latest).first()
        if (tuple(row) if row else None) != ((last.id, last.state) if last else None):
            return None
        if last is None or last.state == "done":
            run = insert_run(connection, cell.spec)
            connection.execute(sa.insert(STUDY_RUNS).values(place | {"run": run}))
            return run
        if last.over:
            queue_again(connection, last.id)
        return last.id


def cancel(store: Store, record: StudyRecord, part: Part = WHOLE) -> StudyRecord:
    """Ask every run of the part that has not ended to stop."""
    part.check(record.study)
    for place, run in record.runs.items():
        if not run.over and part.has(place):
            store.cancel(run.id)
    return read_study_record(store, record.id)


def forget(store: Store, record: StudyRecord, with_runs: bool = False) -> int:
    """Remove the study.  Its runs stay, or are removed too, with their models and earlier attempts.  Returns
    how many runs were removed.

    Raises UserError while one of them has not ended, or while an unfinished run starts from its model."""
    if not record.over:
        raise UserError("The study is still running. Cancel it first.")
    runs: list[str] = []
    if with_runs:
        with store.reading() as connection:
            query = sa.select(STUDY_RUNS.c.run).where(STUDY_RUNS.c.study == record.id)
            runs = list(connection.execute(query).scalars())
        store.delete(*runs)
    with store.writing() as connection:
        connection.execute(sa.delete(STUDIES).where(STUDIES.c.id == record.id))
    return len(runs)
