"""The command line with the stand-in engine: `python -m tests.runs.fake_cli …`."""

import sys

from backend.cli import main as cli
from backend.engine import preflight
from backend.runs import execution
from tests.runs import fake

if __name__ == "__main__":
    hangs = "name=Hangs" in sys.argv
    execution.default_engine = lambda: fake.hanging_engine if hangs else fake.slow_engine
    preflight.check = lambda *_: ["Mind the gap."]
    cli.main(sys.argv[1:])
