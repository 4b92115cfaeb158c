"""What reading a file gives, and how a user says that it is to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

Table = dict[str, list[Any]]
"""Columns by name, in file order, all of the same length; None for a missing cell."""

WHOLE = ""
"""The name of the only table of a file that is not in splits."""


@dataclass(frozen=True)
class How:
    """How to read a text file; what is None is found out.  `names` are columns that it should have."""

    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    names: frozenset[str] = frozenset()


def how_of(spec: "DataSpec") -> How:
    """How the specification says that its files are to be read."""
    from backend.spec.run import SEPARATORS

    separator = None if spec.separator is None else SEPARATORS[spec.separator]
    names = frozenset(name for name in (spec.text, spec.second_text, spec.label) if name is not None)
    return How(separator, spec.encoding, spec.header, names)


@dataclass(frozen=True)
class Reading:
    """The tables of a file by split (`WHOLE` if it is in none), and how it was read, in sentences.

    `classes` are the names of the classes by column, where the file gives their order: the cells of such a
    column are positions in it."""

    tables: dict[str, Table]
    notes: list[str] = field(default_factory=list)
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
