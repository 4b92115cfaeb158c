"""Results as data.  A table in `results/` is one file with a row per line, sorted, from which its benchmark
resumes.  A table that the dashboard shows is in `assets/`."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"

Row = dict[str, Any]


def read(table: Path) -> list[Row]:
    """The rows of a table; empty if it does not exist yet."""
    if not table.is_file():
        return []
    with table.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def keep(table: Path, row: Row, key: tuple[str, ...]) -> None:
    """Insert or replace a row in a table that is sorted by the fields `key`.

    Several processes may do so at once; a reader always finds a complete table."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with _locked(table.parent):
        rows = {tuple(each[field] for field in key): each for each in (*read(table), row)}
        part = table.with_suffix(".part")
        part.write_text(
            "".join(json.dumps(rows[place], ensure_ascii=False) + "\n" for place in sorted(rows)),
            encoding="utf-8",
        )
        part.replace(table)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of this folder against other processes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def row_a_line(table: Any, depth: int, indent: str = "") -> str:
    """JSON with a line for each element of a list, and for each field of the objects in the first `depth`
    levels; deeper values are on one line."""
    if isinstance(table, dict) and table and depth:
        marks = "{}"
        inner = [
            f"{json.dumps(name, ensure_ascii=False)}: {row_a_line(value, depth - 1, indent + ' ')}"
            for name, value in table.items()
        ]
    elif isinstance(table, list) and table and depth:
        marks = "[]"
        inner = [json.dumps(each, ensure_ascii=False) for each in table]
    else:
        return json.dumps(table, ensure_ascii=False)
    return f"{marks[0]}\n" + ",\n".join(f"{indent} {each}" for each in inner) + f"\n{indent}{marks[1]}"
