"""Stores of other versions: older ones are brought up to date, newer ones refused."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from backend.base.errors import UserError
from backend.base.paths import ROOT, home
from backend.runs import leases
from backend.runs.schema import MIGRATIONS, STORE_VERSION, bring_up_to_date
from backend.runs.store import Store, open_store
from tests.runs import fake
from tests.runs.fake import spec

# What Excise made before its stores said their version.
VERSION_0 = """
CREATE TABLE runs (
    id VARCHAR(32) NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, state VARCHAR(16) NOT NULL,
    created DOUBLE NOT NULL, started DOUBLE, finished DOUBLE, stage VARCHAR(32),
    lease_token VARCHAR(64), lease_until DOUBLE, worker VARCHAR(255), attempts INTEGER NOT NULL,
    cancel_requested BOOLEAN NOT NULL, summary TEXT, PRIMARY KEY (id)
);
CREATE INDEX runs_by_state ON runs (state, created);
CREATE INDEX runs_by_creation ON runs (created);
CREATE TABLE studies (
    id VARCHAR(64) NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, created DOUBLE NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE workers (
    id VARCHAR(255) NOT NULL, host VARCHAR(255) NOT NULL, pid INTEGER NOT NULL, seen DOUBLE NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE events (
    run VARCHAR(32) NOT NULL, seq INTEGER NOT NULL, time DOUBLE NOT NULL, type VARCHAR(32) NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run, seq), FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE study_runs (
    run VARCHAR(32) NOT NULL, study VARCHAR(64) NOT NULL, victim TEXT NOT NULL, defense TEXT NOT NULL,
    seed INTEGER NOT NULL, PRIMARY KEY (run), FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE,
    FOREIGN KEY(study) REFERENCES studies (id) ON DELETE CASCADE
);
CREATE INDEX ix_study_runs_study ON study_runs (study);
"""
EVENT = (
    '{"run":"aa11","time":100.0,"type":"pruning_step","step":0,"pruned":[],"restored":[],"pruned_total":0,'
    '"tried_val_acc":0.9,"val_acc":0.9,"acc":0.9,"lfr":0.5,"threshold":0.8}'
)


@pytest.fixture
def version_0(tmp_path: Path) -> str:
    """The address of a store of version 0 with a finished run and one that waits."""
    file = tmp_path / "old.sqlite"
    rows = [
        ("aa11", "Old", spec("Old").model_dump_json(), "done", 100.0, 101.0, 102.0, "evaluate", 1, False),
        ("bb22", "New", spec("New").model_dump_json(), "queued", 103.0, None, None, None, 0, False),
    ]
    with sqlite3.connect(file) as connection:
        connection.executescript(VERSION_0)
        connection.executemany(
            "INSERT INTO runs (id, name, spec, state, created, started, finished, stage, attempts,"
            " cancel_requested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.execute("INSERT INTO events VALUES ('aa11', 1, 100.0, 'pruning_step', ?)", (EVENT,))
        connection.execute("INSERT INTO studies VALUES ('s', 'A study', '{}', 99.0)")
        connection.execute("INSERT INTO study_runs VALUES ('aa11', 's', 'rare', 'gradient', 1)")
    connection.close()
    return f"sqlite:///{file}"


def versions(store: Store) -> list[int]:
    with store.reading() as connection:
        return list(connection.execute(sa.select(STORE_VERSION.c.version)).scalars())


def tables(store: Store) -> set[str]:
    return set(sa.inspect(store.engine).get_table_names())


def test_a_new_store_has_the_newest_version(store: Store) -> None:
    assert versions(store) == [len(MIGRATIONS)]


def test_a_store_made_before_versions_opens_with_all_that_it_holds(version_0: str) -> None:
    store = open_store(version_0)
    assert versions(store) == [len(MIGRATIONS)]
    old, waiting = store.run("aa11"), store.run("bb22")
    assert (old.state, old.stage, old.spec, old.finished) == ("done", "evaluate", spec("Old"), 102.0)
    assert [event.type for _, event in store.events("aa11")] == ["pruning_step"]
    lease = leases.claim(store, "me")
    assert lease is not None and lease.run == waiting.id
    leases.append(store, lease, fake.pruning_step(lease.run, 0))
    store.delete("aa11")
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM study_runs").scalar() == 0
        assert connection.exec_driver_sql("SELECT name FROM studies").scalar() == "A study"


def test_processes_that_open_an_old_store_at_once_migrate_it_once(version_0: str) -> None:
    code = f"from backend.runs.store import open_store; print(len(open_store({version_0!r}).runs()))"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["2\n"] * 4
    assert versions(open_store(version_0)) == [len(MIGRATIONS)]


def test_migrations_are_made_in_order_from_the_stores_own_version_and_once(store: Store) -> None:
    made: list[str] = []
    more = [*MIGRATIONS, lambda _: made.append("first"), lambda _: made.append("second")]
    with store.engine.connect() as connection:  # nothing of it is kept
        bring_up_to_date(connection, more)
        bring_up_to_date(connection, more)
        assert connection.execute(sa.select(STORE_VERSION.c.version)).scalar_one() == len(more)
    assert made == ["first", "second"]


def test_a_migration_that_fails_leaves_the_store_as_it_was(store: Store) -> None:
    def half(connection: Connection) -> None:
        connection.execute(sa.text("CREATE TABLE more (id INTEGER)"))
        connection.execute(sa.text("ALTER TABLE runs ADD COLUMN more INTEGER"))
        raise ZeroDivisionError

    before = tables(store)
    with pytest.raises(ZeroDivisionError), store.writing() as connection:
        bring_up_to_date(connection, [*MIGRATIONS, half])
    assert tables(store) == before and versions(store) == [len(MIGRATIONS)]
    assert store.submit(fake.spec()).state == "queued"


@pytest.mark.usefixtures("on_sqlite")
def test_a_store_of_a_newer_excise_is_refused_in_one_sentence(store: Store) -> None:
    newest = len(MIGRATIONS)
    with store.writing() as connection:
        connection.execute(sa.update(STORE_VERSION).values(version=newest + 1))
    listing = [sys.executable, "-m", "backend", "runs"]
    told = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == (
        f"Error: The run store {home() / 'excise.sqlite'} has version {newest + 1}, but this Excise knows "
        f"versions up to {newest}. Update Excise, or choose another store with EXCISE_HOME or EXCISE_STORE.\n"
    )


def test_a_newer_store_is_left_as_it_is(store: Store) -> None:
    older = MIGRATIONS[:-1]
    with pytest.raises(UserError, match="Update Excise"), store.writing() as connection:
        bring_up_to_date(connection, older)
    assert versions(store) == [len(MIGRATIONS)]
