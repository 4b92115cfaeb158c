"""Results as data.  A table in `results/` is one file with a row a line, sorted, and the benchmark that made
it takes its work up from there.  A table that the dashboard shows lies in `assets/`."""

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
    """The rows of a table; none where it is not there yet."""
    if not table.is_file():
        return []
    with table.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def keep(table: Path, row: Row, key: tuple[str, ...]) -> None:
    """Put a row at its place in a table that is sorted by the fields `key`, instead of the one that is there.

    Several processes may do so at once, and whoever reads meanwhile finds a whole table."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with _alone(table.parent):
        rows = {tuple(one[field] for field in key): one for one in (*read(table), row)}
        part = table.with_suffix(".part")
        part.write_text(
            "".join(json.dumps(rows[place], ensure_ascii=False) + "\n" for place in sorted(rows)),
            encoding="utf-8",
        )
        part.replace(table)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here for this folder, and keep them waiting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def row_a_line(found: Any, depth: int, indent: str = "") -> str:
    """JSON with a line for each element of a list, and for each field of the objects in the first `depth`
    levels; what is further in stands on one line."""
    if isinstance(found, dict) and found and depth:
        marks = "{}"
        inner = [
            f"{json.dumps(name, ensure_ascii=False)}: {row_a_line(value, depth - 1, indent + ' ')}"
            for name, value in found.items()
        ]
    elif isinstance(found, list) and found and depth:
        marks = "[]"
        inner = [json.dumps(each, ensure_ascii=False) for each in found]
    else:
        return json.dumps(found, ensure_ascii=False)
    return f"{marks[0]}\n" + ",\n".join(f"{indent} {each}" for each in inner) + f"\n{indent}{marks[1]}"
