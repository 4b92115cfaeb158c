"""The tables of the run store, its migrations, and messages for its failures."""

import errno
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from backend.base.errors import UserError

METADATA = sa.MetaData()

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("stage", sa.String(32)),
    sa.Column("lease_token", sa.String(64)),
    sa.Column("lease_until", sa.Double),
    sa.Column("worker", sa.String(255)),
    # Claims since a stage last finished: a run that kills its worker each time fails in the end.
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("summary", sa.Text),
    sa.Index("runs_by_creation", "created"),
    sa.Index("runs_by_state", "state", "created"),
)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

STUDIES = sa.Table(
    "studies",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
)

STUDY_RUNS = sa.Table(
    "study_runs",
    METADATA,
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("study", sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("victim", sa.Text, nullable=False),
    sa.Column("defense", sa.Text, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
)

WORKERS = sa.Table(
    "workers",
    METADATA,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("seen", sa.Double, nullable=False),
)

# One row; a store older than this table has version 0.
STORE_VERSION = sa.Table("store_version", METADATA, sa.Column("version", sa.Integer, nullable=False))

Migration = Callable[[Connection], None]


def _name_the_version(connection: Connection) -> None:
    """Version 0 lacks the table for the version, and may lack those of studies."""
    METADATA.create_all(connection)


# The migration at index n takes a store from version n to n + 1; a published one is never changed.
MIGRATIONS: tuple[Migration, ...] = (_name_the_version,)


def bring_up_to_date(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Create the tables of an empty database, or migrate existing ones, in the caller's transaction.

    Raises UserError for a store that a newer Excise made."""
    newest = len(migrations)
    version = _version(connection)
    if version == newest:
        return
    if version is None:
        METADATA.create_all(connection)
    elif version > newest:
        raise UserError(
            f"The run store {_shown(connection.engine.url)} has version {version}, but this Excise knows "
            f"versions up to {newest}. Update Excise, or choose another store with EXCISE_HOME or "
            "EXCISE_STORE."
        )
    else:
        for migrate in migrations[version:]:
            migrate(connection)
    connection.execute(sa.delete(STORE_VERSION))
    connection.execute(sa.insert(STORE_VERSION).values(version=newest))


def _version(connection: Connection) -> int | None:
    """The version of the store, None for a database without one."""
    tables = sa.inspect(connection).get_table_names()
    if STORE_VERSION.name in tables:
        return connection.execute(sa.select(STORE_VERSION.c.version)).scalar() or 0
    return 0 if RUNS.name in tables else None


def open_engine(url: URL, busy_seconds: float) -> Engine:
    """An engine whose tables are those of this version.

    On SQLite every transaction takes the write lock at its start unless the connection carries the
    option `excise_read`, so that a write after a read is never refused.  Raises UserError."""
    with translate_errors(url, busy_seconds):
        try:
            if url.get_backend_name() == "sqlite":
                engine = sa.create_engine(url, connect_args={"timeout": busy_seconds})
                sa.event.listen(engine, "connect", _configure_sqlite)
                sa.event.listen(engine, "begin", _begin_sqlite)
                _switch_to_wal(engine, busy_seconds)
            else:
                engine = sa.create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise UserError(
                f"The store {_shown(url)} needs the Python package {error.name!r}. "
                "Install it, or unset EXCISE_STORE."
            ) from error
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # Two processes that change the tables at once would both see the old ones.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(200832003)"))
            bring_up_to_date(connection)
        return engine


def _configure_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    read = connection.get_execution_options().get("excise_read", False)
    connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")


def _switch_to_wal(engine: Engine, busy_seconds: float) -> None:
    """SQLite does not wait for locks when it switches the journal, so this does."""
    deadline = time.monotonic() + busy_seconds
    while True:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            raw.close()


@contextmanager
def translate_errors(url: URL, busy_seconds: float) -> Iterator[None]:
    """Failures of the database inside the block become a UserError that names cause and remedy."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
        raise UserError(_explain(url, busy_seconds, error)) from error


def _explain(url: URL, busy_seconds: float, error: Exception) -> str:
    cause: Any = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    where = _shown(url)
    if "locked" in text and url.get_backend_name() == "sqlite":
        return (
            f"The run store {where} is locked: another process has held it "
            f"for more than {busy_seconds:g} seconds. Close the program that has the file open "
            "(a database browser, a backup, a stuck worker) and try again."
        )
    if "disk is full" in text or getattr(cause, "errno", None) == errno.ENOSPC:
        return (
            f"The disk that holds the run store {where} is full. "
            "Free some space there, or point EXCISE_HOME at another disk, and try again."
        )
    if "readonly" in text or "unable to open" in text:
        return (
            f"The run store {where} cannot be written ({text}). "
            "Check the permissions of the file and its folder."
        )
    if "not a database" in text or "malformed" in text:
        return (
            f"The run store {where} is not a readable database ({text}). "
            "Move the file away to start with an empty store."
        )
    return f"The run store {where} does not answer ({text}). Check that it can be reached, then try again."


def _shown(url: URL) -> str:
    """The file of a SQLite store, the address without its password of any other."""
    if url.get_backend_name() == "sqlite" and url.database:
        return str(Path(url.database))
    return url.render_as_string(hide_password=True)
