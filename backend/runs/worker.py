"""The worker process, which carries out queued runs one after another, and how it is started.

Dashboards call `ensure_worker` when they queue a run, and keep `supervise` going in a thread, so
that a worker that was killed is replaced and its run goes on."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from backend.base.errors import UserError, accelerator_is_lost
from backend.base.events import RunFinished
from backend.base.paths import ROOT, environment, home
from backend.runs.execution import GRACE_SECONDS, Control, Engine, end_by_force, engine_hangs, execute
from backend.runs.leases import Lease, claim, waiting
from backend.runs.schema import WORKERS
from backend.runs.store import Store, open_store

POLL_SECONDS = 1.0
SEEN_SECONDS = 3.0
DEAD_SECONDS = 15.0  # a worker not seen for so long counts as dead
STORE_PAUSE_SECONDS = 10.0
SUPERVISE_SECONDS = 5.0
IDLE_EXIT_SECONDS = 60

_children: list[subprocess.Popen[bytes]] = []


def worker_name() -> str:
    """The name of this process among all workers of the store."""
    return f"{socket.gethostname()}-{os.getpid()}"


def serve(
    store: Store,
    idle_exit: float | None = None,
    engine: Engine | None = None,
    say: Callable[[str], None] = print,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """`work` as all that this process does: if a run left it unfit for others, the program is restarted in
    the same process, without the engine that hung."""
    if work(store, idle_exit, engine, say, grace_seconds):
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if engine_hangs():
        end_by_force(0)


def work(
    store: Store,
    idle_exit: float | None = None,
    engine: Engine | None = None,
    say: Callable[[str], None] = print,
    grace_seconds: float = GRACE_SECONDS,
) -> bool:
    """Carry out queued runs, and those that a dead worker left, until idle for `idle_exit` seconds.

    On SIGTERM or SIGINT the current run goes back to the queue, at its last finished stage, and
    the worker ends.  It also ends, and returns True, when a run left this process unfit for
    others: without its GPU, or with an engine that did not stop within `grace_seconds`.  It then
    still counts as alive, for the caller to restart it.  To be called in the main thread."""
    leaving = threading.Event()
    control, fit = Control(), True

    def leave(*_: object) -> None:
        leaving.set()
        control.halt("leave")

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with _presence(store):
            idle_since = time.monotonic()
            while not leaving.is_set():
                idle = idle_exit is not None and time.monotonic() - idle_since >= idle_exit
                if idle:
                    # Unregister first, then look once more: a run queued from here on gets a new worker.
                    with suppress(UserError):
                        _forget(store)
                lease = _try_claim(store, say)
                if lease is None:
                    if idle:
                        return False
                    leaving.wait(POLL_SECONDS)
                    continue
                control = Control(grace_seconds)
                if leaving.is_set():
                    control.halt("leave")
                fit = _work_on(store, lease, engine, control, leaving, say)
                if not fit:
                    break
                idle_since = time.monotonic()
        return not fit and not leaving.is_set()
    finally:
        if fit or leaving.is_set():
            with suppress(UserError):
                _forget(store)
        for number, handler in before.items():
            signal.signal(number, handler)


def _work_on(
    store: Store,
    lease: Lease,
    engine: Engine | None,
    control: Control,
    leaving: threading.Event,
    say: Callable[[str], None],
) -> bool:
    """Carry out the run; returns whether this process is still fit for another one."""
    say(f"Run {lease.run}: started")
    state = None
    try:
        for event in execute(store, lease, engine, control):
            if isinstance(event, RunFinished):
                state = event.state
    except UserError as error:
        say(f"Run {lease.run}: {error}")
        leaving.wait(STORE_PAUSE_SECONDS)
        return not engine_hangs()
    without_end = "back to the queue" if control.why == "leave" else "taken over by another worker"
    say(f"Run {lease.run}: {state or without_end}")
    if state == "failed" and accelerator_is_lost():
        say("This process cannot use the GPU any more: the worker restarts.")
        return False
    if engine_hangs():
        say(f"Run {lease.run}: its engine did not stop, so this process ends.")
        return False
    return True


def _try_claim(store: Store, say: Callable[[str], None]) -> Lease | None:
    try:
        return claim(store, worker_name())
    except UserError as error:
        say(str(error))
        return None


@contextmanager
def _presence(store: Store) -> Iterator[None]:
    """Register in the table of workers, renewed every few seconds while the block lasts."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(SEEN_SECONDS):
            with suppress(UserError):
                _register(store, worker_name(), os.getpid())

    with suppress(UserError):
        _register(store, worker_name(), os.getpid())
    thread = threading.Thread(target=beat, name="presence", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)


def _register(store: Store, name: str, pid: int) -> None:
    now = time.time()
    # The process that started a worker and the worker itself may register at the same time.
    with suppress(sa.exc.IntegrityError), store.writing() as connection:
        gone = sa.or_(WORKERS.c.id == name, WORKERS.c.seen < now - 86400)
        connection.execute(sa.delete(WORKERS).where(gone))
        connection.execute(sa.insert(WORKERS).values(id=name, host=socket.gethostname(), pid=pid, seen=now))


def _forget(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker_name()))


def has_worker(store: Store) -> bool:
    """Whether a worker of this host is alive."""
    here = sa.and_(WORKERS.c.host == socket.gethostname(), WORKERS.c.seen > time.time() - DEAD_SECONDS)
    with store.reading() as connection:
        pids = connection.execute(sa.select(WORKERS.c.pid).where(here)).scalars().all()
    return any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ensure_worker(store: Store, command: Sequence[str] | None = None) -> bool:
    """Start a detached worker if runs wait and none is alive on this host; returns whether one was started.

    Its output goes to `worker.log` in the state folder.  If two processes call this at the same
    time, one worker starts."""
    _children[:] = [
        child for child in _children if child.poll() is None
    ]  # or a dead child would stay a zombie
    if not waiting(store):
        return False
    try:
        return _start_alone(store, command)
    except OSError as error:
        raise UserError(
            f"The worker cannot be started ({error.strerror or error}). "
            f"Check that {home()} is writable and its disk has room."
        ) from error


def _start_alone(store: Store, command: Sequence[str] | None) -> bool:
    with (home() / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_worker(store):
            return False
        command = command or [
            *(sys.executable, "-m", "backend", "worker"),
            *("--idle-exit", str(IDLE_EXIT_SECONDS)),
        ]
        with (home() / "worker.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(store.address),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _children.append(child)
        # Registered here, before the worker does so itself: the next caller must not start another.
        _register(store, f"{socket.gethostname()}-{child.pid}", child.pid)
    return True


def supervise(stop: threading.Event, store: Store | None = None) -> None:
    """Until `stop`, check every few seconds that waiting runs have a worker.

    The target of a thread: it waits until problems of the store are over."""
    while not stop.is_set():
        with suppress(UserError):
            ensure_worker(store or open_store())
        stop.wait(SUPERVISE_SECONDS)
