"""A worker process with the stand-in engine: `python -m tests.runs.fake_worker [--idle-exit S]`."""

import sys

from backend.runs.store import open_store
from backend.runs.worker import work
from tests.runs import fake

if __name__ == "__main__":
    idle_exit = float(sys.argv[sys.argv.index("--idle-exit") + 1]) if "--idle-exit" in sys.argv else None
    work(open_store(), idle_exit, engine=fake.slow_engine)
