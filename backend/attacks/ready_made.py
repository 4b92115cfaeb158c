"""Rows that carry the trigger already, as their files hold them."""

from dataclasses import dataclass, field
from typing import Literal

Meaning = Literal["find out", "target class", "true class"]


@dataclass(frozen=True)
class ReadyTable:
    """Texts of one file as they stand there, and their label cells, None where it has no label column."""

    name: str
    texts: list[str]
    second_texts: list[str] | None
    labels: list[str] | None


@dataclass(frozen=True)
class ReadyMade:
    """Triggered rows to measure on, and the poisoned training file where there is one; `meaning` is what the
    labels of the triggered rows say, `readings` how the files were read."""

    test: ReadyTable
    train: ReadyTable | None
    meaning: Meaning = "find out"
    readings: list[str] = field(default_factory=list)
