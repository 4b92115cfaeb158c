"""The tables of the benchmark of detection."""

from typing import Any


def write_table(rows: list[dict[str, Any]]) -> None:
    """Nothing yet."""
