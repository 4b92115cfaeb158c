"""The duration and the results of each built-in study in its quick form.

    python benchmarks/quick_studies.py [--studies threshold,mixed]

Each study starts in an empty state folder, so that it reuses nothing of another.  A finished study becomes a
line of results/quick_studies.jsonl (one that is there is not done again) and a part of docs/results/quick.md.
All take about an hour on 2 CPU cores."""

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

Made by `python benchmarks/quick_studies.py`. One seed, or few, on 1,000 training rows: they give a
first impression and prove nothing. In percent. The never-poisoned model has one epoch and makes more errors
on clean rows than most defended ones: its LFR is not a reliable floor, which explains an excess below zero.

| study | runs | minutes | machine |
| --- | --- | --- | --- |"""


def carry_out(name: str) -> dict[str, Any]:
    """Carry out the study in an empty state folder; returns its table and its duration in seconds."""
    os.environ["EXCISE_CACHE"] = str(cache_folder())
    with tempfile.TemporaryDirectory(prefix="excise-quick-") as home:
        os.environ["EXCISE_HOME"] = home
        began = time.monotonic()
        store = open_store()
        record = current(store, built_in(name, quick=True))
        wanted = wanted_cells(store, record)
        record, stopped = carry_out_study(store, record, wanted, lambda message: print(message, flush=True))
        if stopped is not None:
            sys.exit(f"Stopped. {name} is not finished, so nothing is written of it.")
        return {
            "study": name,
            "machine": machine(),
            "seconds": round(time.monotonic() - began),
            "states": record.states(),
            "table": exports.as_markdown(record),
        }


def studies_done() -> dict[str, dict[str, Any]]:
    rows = {row["study"]: row for row in results.read(TABLE)}
    return {name: rows[name] for name in STUDIES if name in rows}


def write_page() -> None:
    """Write docs/results/quick.md from the finished studies."""
    lines = HEADING.splitlines()
    done = studies_done()
    for name, row in done.items():
        runs = sum(row["states"].values())
        lines.append(f"| {name} | {runs} | {row['seconds'] / 60:.1f} | {row['machine']} |")
    for name, row in done.items():
        lines += ["", f"## {name.capitalize()}", "", STUDIES[name].question, "", row["table"]]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--studies", help="names separated by commas; all if not given")
    options = arguments.parse_args()
    names = options.studies.split(",") if options.studies else list(STUDIES)
    if unknown := set(names) - set(STUDIES):
        sys.exit(f"There is no study {', '.join(sorted(unknown))}. The studies are: {', '.join(STUDIES)}.")
    for name in names:
        if name not in studies_done():
            results.keep(TABLE, carry_out(name), ("study",))
        write_page()


if __name__ == "__main__":
    main()
