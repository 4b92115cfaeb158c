"""Which worker has a run: a lease that expires unless it is renewed, and that guards every write.

A worker that was suspended while another took over its run holds a token that no longer matches:
its writes are refused, in the same transaction.  Times are of the hosts' clocks, so the clocks of
several hosts must agree to within a few seconds.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from backend.base.events import Event, RunFinished, title_of
from backend.runs.records import read_record
from backend.runs.schema import RUNS
from backend.runs.store import Store, gather_end, locked_row, write_end, write_event
from backend.spec.run import RunSpec

LEASE_SECONDS = 20.0
MAX_ATTEMPTS = 3  # claims in a row in which no stage was finished


class LeaseLost(Exception):
    """Another worker has the run, or it was deleted: this one must stop and write nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one run."""

    run: str
    token: str
    spec: RunSpec
    seconds: float = LEASE_SECONDS


def begin(store: Store, spec: RunSpec, worker: str, seconds: float = LEASE_SECONDS) -> Lease:
    """Submit a run and lease it in the same transaction, so that no other worker gets it."""
    token = secrets.token_hex(16)
    run = store.insert(
        spec, state="running", **_held_by(worker, token, seconds), started=time.time(), attempts=1
    )
    return Lease(run, token, spec, seconds)


def claim(store: Store, worker: str, run: str | None = None, seconds: float = LEASE_SECONDS) -> Lease | None:
    """The oldest run that waits for a worker (or `run`, if it does), or None.

    Ends waiting runs that cannot be carried out: those cancelled while no worker had them, those with a
    specification that is not valid any more, and those whose workers died again and again."""
    while waiting(store, run):
        with store.writing() as connection:
            # On databases other than SQLite, rows that others are claiming are skipped.
            query = _waiting(run).limit(1).with_for_update(skip_locked=True)
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            record = read_record(row)
            error = _reason_to_fail(record.problem, row["attempts"], row["stage"])
            if record.cancel_requested:
                write_end(connection, gather_end(connection, row, "cancelled"))
            elif record.spec is None or error is not None:
                write_end(connection, gather_end(connection, row, "failed", error))
            else:
                token = secrets.token_hex(16)
                values = _held_by(worker, token, seconds) | {
                    "state": "running",
                    "started": record.started or time.time(),
                    "attempts": row["attempts"] + 1,
                }
                connection.execute(sa.update(RUNS).where(RUNS.c.id == record.id).values(values))
                return Lease(record.id, token, record.spec, seconds)
    return None


def waiting(store: Store, run: str | None = None) -> bool:
    """Whether any run (or `run`) waits for a worker: queued, or its worker died."""
    with store.reading() as connection:
        return connection.execute(_waiting(run).limit(1)).first() is not None


def _waiting(run: str | None) -> sa.Select[Any]:
    abandoned = sa.and_(RUNS.c.state == "running", RUNS.c.lease_until < time.time())
    waits = sa.or_(RUNS.c.state == "queued", abandoned)
    query = sa.select(RUNS).where(waits).order_by(RUNS.c.created, RUNS.c.id)
    return query if run is None else query.where(RUNS.c.id == run)


def _reason_to_fail(problem: str | None, attempts: int, stage: str | None) -> str | None:
    if problem is not None:
        return f"This version of Excise cannot run it. {problem}"
    if attempts >= MAX_ATTEMPTS:
        where = f" in the stage “{title_of(stage)}”" if stage else ""
        return (
            f"The worker died {attempts} times in a row{where}, perhaps because memory ran out. "
            "Try fewer rows, shorter texts, smaller batches or more memory."
        )
    return None


def _held_by(worker: str, token: str, seconds: float) -> dict[str, Any]:
    return {"worker": worker, "lease_token": token, "lease_until": time.time() + seconds}


def renew(store: Store, lease: Lease) -> Literal["ok", "cancel", "lost"]:
    """Extend the lease by `lease.seconds`; "cancel" if the run was asked to stop."""
    try:
        with store.writing() as connection:
            _hold(connection, lease)
    except LeaseLost:
        return "lost"
    return wish(store, lease)


def wish(store: Store, lease: Lease) -> Literal["ok", "cancel", "lost"]:
    """Whether the run should go on; only reads, so it may be called often."""
    query = sa.select(RUNS.c.lease_token, RUNS.c.cancel_requested).where(RUNS.c.id == lease.run)
    with store.reading() as connection:
        row = connection.execute(query).first()
    if row is None or row.lease_token != lease.token:
        return "lost"
    return "cancel" if row.cancel_requested else "ok"


def append(store: Store, lease: Lease, event: Event) -> int:
    """Write an event of the run and return its number; raises LeaseLost."""
    values: dict[str, Any] = {}
    if event.type == "stage_started":
        values = {"stage": event.stage}
    elif event.type == "stage_finished" and not event.reused and event.stage != "prepare":
        values = {"attempts": 1}  # progress: preparing, done at every attempt, does not count
    with store.writing() as connection:
        _hold(connection, lease, **values)
        return write_event(connection, event)


def finish(store: Store, lease: Lease, event: RunFinished) -> None:
    """End the run with its last event; raises LeaseLost."""
    with store.writing() as connection:
        _hold(connection, lease)
        write_end(connection, event)


def fail(
    store: Store, lease: Lease, error: str, state: Literal["failed", "cancelled"] = "failed"
) -> RunFinished:
    """End a run whose engine sent no last event, keeping its finished metrics; raises LeaseLost."""
    with store.writing() as connection:
        _hold(connection, lease)
        event = gather_end(connection, locked_row(connection, lease.run), state, error)
        write_end(connection, event)
    return event


def release(store: Store, lease: Lease) -> RunFinished | None:
    """Put the run back into the queue, or end it if it was asked to stop; raises LeaseLost.

    This does not count as a failed attempt."""
    with store.writing() as connection:
        _hold(connection, lease, state="queued", attempts=RUNS.c.attempts - 1)
        row = locked_row(connection, lease.run)
        if row["cancel_requested"]:
            event = gather_end(connection, row, "cancelled")
            write_end(connection, event)
            return event
        values = {"lease_token": None, "lease_until": None, "worker": None}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == lease.run).values(values))
    return None


def _hold(connection: Connection, lease: Lease, **values: Any) -> None:
    """Check the token, renew the lease and lock the row, in one statement of the caller's transaction."""
    held = sa.and_(RUNS.c.id == lease.run, RUNS.c.lease_token == lease.token)
    values["lease_until"] = time.time() + lease.seconds
    if connection.execute(sa.update(RUNS).where(held).values(values)).rowcount != 1:
        raise LeaseLost(lease.run)
