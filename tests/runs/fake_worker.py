"""A worker process with the stand-in engine: `python -m tests.runs.fake_worker [--idle-exit S]`.

With `--hanging`, a run that is called "Hangs" does, and half a second is enough to stop it by force."""

import sys

from backend.runs.store import open_store
from backend.runs.worker import serve, work
from tests.runs import fake

if __name__ == "__main__":
    idle_exit = float(sys.argv[sys.argv.index("--idle-exit") + 1]) if "--idle-exit" in sys.argv else None
    if "--hanging" in sys.argv:
        serve(open_store(), idle_exit, engine=fake.hanging_engine, grace_seconds=0.5)
    else:
        work(open_store(), idle_exit, engine=fake.slow_engine)
