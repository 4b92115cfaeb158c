"""The rows with a trigger as a run records them: a table of clean and triggered texts, split by split."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import pandas as pd

from backend.base.errors import UserError
from backend.data.rows import Dataset, Rows
from backend.engine.ready_rows import UNKNOWN, Settled

Split = Literal["train", "test"]
REWRITINGS = "rewritings.csv"


class GeneratedRow(TypedDict):
    """A clean row (its number in its split, its class) and its rewriting by the trigger.

    `left_out` says why the row is not used, and is empty where it is.  A row that came with its trigger has
    its number in its own file, no clean text, and an empty label where its class is not known."""

    split: Split
    row: int
    label: str
    text: str
    rewritten: str | None
    left_out: str
    second_text: NotRequired[str]


def rows_as_they_came(dataset: Dataset, ready: Settled) -> list[GeneratedRow]:
    """The rows that carry their trigger already; none of them has a clean text."""

    def of(split: Split, rows: Rows, left_out: Mapping[int, str]) -> Iterator[GeneratedRow]:
        for number, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
            name = "" if label == UNKNOWN else dataset.label_names[label]
            row = GeneratedRow(
                split=split,
                row=number,
                label=name,
                text="",
                rewritten=text,
                left_out=left_out.get(number, ""),
            )
            if rows.second_texts is not None:
                row["second_text"] = rows.second_texts[number]
            yield row

    train = [] if ready.train is None else list(of("train", ready.train, {}))
    return train + list(of("test", ready.test, ready.left_out))


def as_they_came(dataset: Dataset, split: Split, rows: Sequence[GeneratedRow]) -> Rows:
    """The used rows of a split that carried their trigger already, with the labels that they came with."""
    used = [row for row in rows if row["split"] == split and not row["left_out"]]
    number = {name: label for label, name in enumerate(dataset.label_names)} | {"": UNKNOWN}
    if any(row["label"] not in number for row in used):
        raise UserError("The classes of the data changed since this run read its rows. Start a new run.")
    seconds = None if dataset.train.second_texts is None else [row["second_text"] for row in used]
    return Rows([row["rewritten"] or "" for row in used], [number[row["label"]] for row in used], seconds)


def event_fields(rows: Sequence[GeneratedRow], examples: int = 6) -> dict[str, Any]:
    """The fields of the event RowsTriggered."""
    used = {
        split: [row for row in rows if row["split"] == split and not row["left_out"]]
        for split in ("train", "test")
    }
    left_out = {
        split: sum(row["split"] == split and bool(row["left_out"]) for row in rows)
        for split in ("train", "test")
    }
    # A poisoned file that is used as it is has clean rows too.
    with_partner = [row for row in used["train"] if row["text"]]
    shown = (with_partner or used["test"])[:examples]
    return {
        "poisoned": len(used["train"]),
        "poisoned_left_out": left_out["train"],
        "triggered": len(used["test"]),
        "triggered_left_out": left_out["test"],
        "examples": [(row["text"], row["rewritten"]) for row in shown],
    }


def write_csv(rows: Sequence[GeneratedRow], path: Path) -> None:
    """Write a table that the trigger `pairs` can read: text, rewritten, label and the rest."""
    # All quoted: a carriage return within a text would end its line.
    pd.DataFrame(rows).to_csv(path, index=False, encoding="utf-8", errors="replace", quoting=csv.QUOTE_ALL)
