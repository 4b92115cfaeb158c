"""The run store: the specification, state and events of every run.

SQLite in WAL mode at `home()/excise.sqlite`, or the database that the environment variable
`EXCISE_STORE` names as an SQLAlchemy URL (PostgreSQL).  Workers write through `backend.runs.leases`.
Every function raises UserError when the database is locked by another process, full or gone;
`EXCISE_STORE_TIMEOUT` is how many seconds to wait for a lock (default 5).
"""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import URL, Connection, Engine, RowMapping

from backend.base.errors import UserError
from backend.base.events import EVENT, Event, Metric, RunFinished, StageFinished
from backend.base.paths import home, run_folder
from backend.engine.stage_cache import sweep
from backend.runs.records import RunRecord, State, curve, read_record, title
from backend.runs.schema import EVENTS, RUNS, open_engine, translate_errors
from backend.spec.run import RunSpec

_stores: dict[tuple[str, float], "Store"] = {}
_opening = threading.Lock()


def open_store(url: str | None = None) -> "Store":
    """The store at `url` (default: `EXCISE_STORE`, else SQLite in the state folder), opened once."""
    address = _address(url or os.environ.get("EXCISE_STORE") or f"sqlite:///{home() / 'excise.sqlite'}")
    busy_seconds = _busy_seconds()
    key = (address.render_as_string(hide_password=False), busy_seconds)
    with _opening:
        if key not in _stores:
            _stores[key] = Store(address, busy_seconds, open_engine(address, busy_seconds))
        return _stores[key]


def _address(text: str) -> URL:
    try:
        url = sa.make_url(text)
        url.get_dialect()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise UserError(
            f"EXCISE_STORE is not a database address ({error}). "
            "Give one such as postgresql+psycopg://user@host/excise, or unset it."
        ) from error
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise UserError("The run store is shared by processes, so it cannot be in memory: give a file.")
        url = url.set(database=str(Path(url.database).expanduser().absolute()))
    return url


def _busy_seconds() -> float:
    text = os.environ.get("EXCISE_STORE_TIMEOUT") or "5"
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"EXCISE_STORE_TIMEOUT is a number of seconds; this is {text!r}.") from error


@dataclass(frozen=True)
class Store:
    """An open run store; safe to share between threads."""

    url: URL
    busy_seconds: float
    engine: Engine = field(repr=False)

    @property
    def address(self) -> str:
        """Its URL as `EXCISE_STORE` takes it, with the password."""
        return self.url.render_as_string(hide_password=False)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent view, which never blocks a writer."""
        with (
            translate_errors(self.url, self.busy_seconds),
            self.engine.connect().execution_options(excise_read=True) as connection,
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, committed at the end of the block."""
        with translate_errors(self.url, self.busy_seconds), self.engine.begin() as connection:
            yield connection

    def submit(self, spec: RunSpec) -> RunRecord:
        """Queue a run."""
        return self.run(self.insert(spec))

    def insert(self, spec: RunSpec, **columns: Any) -> str:
        """A new row of `runs`, queued unless `columns` say otherwise; returns its id."""
        with self.writing() as connection:
            return insert_run(connection, spec, **columns)

    def runs(self, limit: int | None = 100, states: Sequence[State] | None = None) -> list[RunRecord]:
        """The newest runs first, those in `states` only if given."""
        query = sa.select(RUNS).order_by(RUNS.c.created.desc(), RUNS.c.id).limit(limit)
        if states is not None:
            query = query.where(RUNS.c.state.in_(states))
        with self.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [read_record(row) for row in rows]

    def run(self, id_or_prefix: str) -> RunRecord:
        """The run of that id, or of the only id that starts so; raises UserError if there is none."""
        query = sa.select(RUNS).where(RUNS.c.id.startswith(id_or_prefix, autoescape=True)).limit(6)
        with self.reading() as connection:
            rows = connection.execute(query).mappings().all()
        exact = [row for row in rows if row["id"] == id_or_prefix]
        matching = exact or rows
        if id_or_prefix and len(matching) == 1:
            return read_record(matching[0])
        if id_or_prefix and matching:
            matches = ", ".join(row["id"] for row in matching)
            raise UserError(
                f"More than one run starts with {id_or_prefix!r}: {matches}. Give more characters of the id."
            )
        latest = ", ".join(f"{run.id} ({run.name})" for run in self.runs(limit=5))
        existing = f"The newest are: {latest}." if latest else "There are no runs yet."
        raise UserError(f"There is no run {id_or_prefix!r}. {existing}")

    def events(self, run: str, after: int = 0, types: Sequence[str] | None = None) -> list[tuple[int, Event]]:
        """The events of the run (by its full id) after number `after`, in order, with their numbers.

        Progress is kept only while its stage lasts."""
        query = sa.select(EVENTS.c.seq, EVENTS.c.body).where(EVENTS.c.run == run, EVENTS.c.seq > after)
        if types is not None:
            query = query.where(EVENTS.c.type.in_(types))
        with self.reading() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.seq)).all()
        return [(seq, event) for seq, body in rows if (event := _read_event(body)) is not None]

    def cancel(self, run: str) -> RunRecord:
        """Ask a run to stop; one that no worker has is cancelled at once.

        A finished run stays as it is."""
        record = self.run(run)
        with self.writing() as connection:
            row = locked_row(connection, record.id)
            alive = row["state"] == "running" and (row["lease_until"] or 0) > time.time()
            if alive:
                connection.execute(
                    sa.update(RUNS).where(RUNS.c.id == record.id).values(cancel_requested=True)
                )
            elif row["state"] in ("queued", "running"):
                write_end(connection, gather_end(connection, row, "cancelled"))
        return self.run(record.id)

    def resume(self, run: str) -> RunRecord:
        """Queue a failed or cancelled run again; it goes on from its last finished stage.

        Raises UserError for a run in another state."""
        record = self.run(run)
        with self.writing() as connection:
            row = locked_row(connection, record.id)
            if row["state"] not in ("failed", "cancelled"):
                raise UserError(
                    f"Run {record.id} is {row['state']}. Only a failed or cancelled run can be resumed."
                )
            queue_again(connection, record.id)
        return self.run(record.id)

    def delete(self, *runs: str) -> None:
        """Remove runs, their events and their folders: all of them, or none.

        Raises UserError while one of them runs, or while an unfinished run starts from its model."""
        ids = [self.run(run).id for run in runs]
        with self.writing() as connection:
            for run in ids:
                if locked_row(connection, run)["state"] == "running":
                    raise UserError(f"Run {run} is running. Cancel it first, then delete it.")
            unfinished = sa.select(RUNS).where(RUNS.c.state.in_(("queued", "running")), RUNS.c.id.not_in(ids))
            for other in map(read_record, connection.execute(unfinished).mappings()):
                model = other.spec.model if other.spec else None
                victim = model.name if model and model.source == "run" else ""
                if used := next((run for run in ids if victim and run.startswith(victim)), None):
                    raise UserError(
                        f"Run {other.id}, which has not ended, starts from the model of run {used}. "
                        f"Wait for it, or cancel {other.id} first."
                    )
            connection.execute(sa.delete(RUNS).where(RUNS.c.id.in_(ids)))
        for run in ids:
            shutil.rmtree(run_folder(run), ignore_errors=True)
        sweep()


def insert_run(connection: Connection, spec: RunSpec, **columns: Any) -> str:
    """As `Store.insert`, in the caller's transaction."""
    run = secrets.token_hex(4)
    while connection.execute(sa.select(RUNS.c.id).where(RUNS.c.id == run)).first() is not None:
        run = secrets.token_hex(4)
    row: dict[str, Any] = {
        "id": run,
        "name": spec.name or title(spec),
        "spec": spec.model_dump_json(),
        "state": "queued",
        "created": time.time(),
    }
    connection.execute(sa.insert(RUNS).values(row | columns))
    return run


def queue_again(connection: Connection, run: str) -> None:
    """Put a run that has ended back into the queue."""
    values = {"state": "queued", "summary": None, "finished": None, "cancel_requested": False, "attempts": 0}
    connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(values))


def locked_row(connection: Connection, run: str) -> RowMapping:
    """The row of a run, held until the transaction ends; raises UserError if it is gone."""
    query = sa.select(RUNS).where(RUNS.c.id == run).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UserError(f"Run {run} has been deleted.")
    return row


def write_event(connection: Connection, event: Event) -> int:
    """Add an event to its run and return its number.

    The caller holds the run's row, so numbers rise by one.  Progress is deleted when its stage ends."""
    # The number is taken before anything is deleted: a number is never used twice.
    last = connection.execute(sa.select(sa.func.max(EVENTS.c.seq)).where(EVENTS.c.run == event.run)).scalar()
    if event.type in ("stage_finished", "run_finished"):
        outdated = EVENTS.c.run == event.run, EVENTS.c.type == "progress"
        connection.execute(sa.delete(EVENTS).where(*outdated))
    row = {
        "run": event.run,
        "seq": (last or 0) + 1,
        "time": event.time,
        "type": event.type,
        "body": event.model_dump_json(),
    }
    connection.execute(sa.insert(EVENTS).values(row))
    return int(row["seq"])


def write_end(connection: Connection, event: RunFinished) -> None:
    """End the run: store its state, summary and last event, and drop its lease."""
    write_event(connection, event)
    values = {
        "state": event.state,
        "summary": event.model_dump_json(),
        "finished": event.time,
        "lease_token": None,
        "lease_until": None,
    }
    connection.execute(sa.update(RUNS).where(RUNS.c.id == event.run).values(values))


def gather_end(
    connection: Connection, row: RowMapping, state: State, error: str | None = None
) -> RunFinished:
    """The last event of a run whose engine sent none: with its metrics so far."""
    types = EVENTS.c.type.in_(("metric", "pruning_step", "stage_finished"))
    query = sa.select(EVENTS.c.body).where(EVENTS.c.run == row["id"], types).order_by(EVENTS.c.seq)
    events = [event for (body,) in connection.execute(query) if (event := _read_event(body)) is not None]
    stages = [event for event in events if isinstance(event, StageFinished) and not event.reused]
    return RunFinished.model_validate(
        {
            "run": row["id"],
            "state": state,
            "metrics": {event.model: event.metrics for event in events if isinstance(event, Metric)},
            "pruned_heads": [head for step in curve(events) for head in step.pruned],
            "seconds": sum(stage.seconds for stage in stages),
            "error": error,
        }
    )


def _read_event(body: str) -> Event | None:
    try:
        return EVENT.validate_json(body)
    except ValidationError:
        return None  # written by another version of Excise
