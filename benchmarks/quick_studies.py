"""How long the quick form of each built-in study takes, and what it finds.

    python benchmarks/quick_studies.py [--studies threshold,mixed]

Each study starts in an empty state folder, so that nothing is taken over from another.  A study is a line of
results/quick_studies.jsonl as soon as it is done (one that is there is not done again), and a part of
docs/results/quick.md.  About an hour on 2 CPU cores for all."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.base.paths import cache_folder
from backend.runs.store import open_store
from backend.studies import exports
from backend.studies.built_in import STUDIES, built_in
from backend.studies.foreground import carry_out_study
from backend.studies.store import current, wanted_cells
from benchmarks import results
from benchmarks.common import ROOT, machine

TABLE = results.RESULTS / "quick_studies.jsonl"
PAGE = ROOT / "docs" / "results" / "quick.md"
HEADING = """\
# The built-in studies in their quick form

Made by `python benchmarks/quick_studies.py`. One seed, or few, on 1,000 training rows: they show the way
and settle nothing. In percent. The never-poisoned model has one epoch there and errs more on clean rows than
most defended ones: its LFR is no sure floor, and an excess below zero comes from that.

| study | runs | minutes | machine |
| --- | --- | --- | --- |"""


def carry_out(name: str) -> dict[str, Any]:
    """The study's table and the seconds that it took from nothing."""
    os.environ["EXCISE_CACHE"] = str(cache_folder())
    with tempfile.TemporaryDirectory(prefix="excise-quick-") as home:
        os.environ["EXCISE_HOME"] = home
        began = time.monotonic()
        store = open_store()
        record = current(store, built_in(name, quick=True))
        wanted = wanted_cells(store, record)
        record, stopped = carry_out_study(store, record, wanted, lambda said: print(said, flush=True))
        if stopped is not None:
            sys.exit(f"Stopped. Nothing is written of {name}, which is not done.")
        return {
            "study": name,
            "machine": machine(),
            "seconds": round(time.monotonic() - began),
            "states": record.states(),
            "table": exports.as_markdown(record),
        }


def studies_done() -> dict[str, dict[str, Any]]:
    found = {one["study"]: one for one in results.read(TABLE)}
    return {name: found[name] for name in STUDIES if name in found}


def write_page() -> None:
    """docs/results/quick.md from the studies that are done."""
    lines = HEADING.splitlines()
    done = studies_done()
    for name, found in done.items():
        runs = sum(found["states"].values())
        lines.append(f"| {name} | {runs} | {found['seconds'] / 60:.1f} | {found['machine']} |")
    for name, found in done.items():
        lines += ["", f"## {name.capitalize()}", "", STUDIES[name].question, "", found["table"]]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--studies", help="names separated by commas; all if not given")
    asked = arguments.parse_args()
    names = asked.studies.split(",") if asked.studies else list(STUDIES)
    if unknown := set(names) - set(STUDIES):
        sys.exit(f"No study {', '.join(sorted(unknown))}; there are: {', '.join(STUDIES)}.")
    for name in names:
        if name not in studies_done():
            results.keep(TABLE, carry_out(name), ("study",))
        write_page()


if __name__ == "__main__":
    main()
