"""A study as files: CSV, Markdown, LaTeX, JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.studies.results import floor_of, notes, result, rows, table
from backend.studies.store import StudyRecord

PLACE = ("victim", "defense", "seed")
MEASURED = ("acc", "lfr", "clean_flip_rate", "test_rows", "triggered_rows")
BESIDE = ("lfr_never_poisoned", "excess_lfr", "acc_pruned_alone", "lfr_pruned_alone")


def as_json(record: StudyRecord) -> dict[str, Any]:
    """All results: every cell with its run, every row of the table with its figures."""
    return {
        "study": record.id,
        "name": record.study.name,
        "question": record.study.question,
        "states": record.states(),
        "cells": [_cell(record, *place) for place in record.places],
        "rows": [asdict(row) for row in rows(record)],
    }


def _cell(record: StudyRecord, victim: str, defense: str, seed: int) -> dict[str, Any]:
    run = record.runs.get((victim, defense, seed))
    metrics = result(run)
    alone = result(run, "pruned")
    floor = floor_of(record, victim, seed, metrics)
    lfr = metrics.lfr if metrics else None
    return {
        "victim": victim,
        "defense": defense,
        "seed": seed,
        "run": run.id if run else None,
        "state": record.state((victim, defense, seed)),
        "error": run.summary.error if run and run.summary else None,
        "metrics": metrics.model_dump(mode="json") if metrics else None,
        "lfr_never_poisoned": floor,
        "excess_lfr": None if lfr is None or floor is None else lfr - floor,
        "acc_pruned_alone": alone.acc if alone else None,
        "lfr_pruned_alone": alone.lfr if alone else None,
        "pruned_heads": run.summary.pruned_heads if metrics and run and run.summary else None,
        "seconds": run.seconds if run else None,
    }


def as_csv(record: StudyRecord) -> str:
    """One line per run, rates as shares of 1."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*PLACE, "run", "state", *MEASURED, *BESIDE, "pruned_heads", "seconds", "error"])
    for cell in as_json(record)["cells"]:
        metrics = cell["metrics"] or {}
        numbers = [*map(metrics.get, MEASURED), *map(cell.get, BESIDE)]
        names = [cell[name] for name in (*PLACE, "run", "state")]
        heads = None if cell["pruned_heads"] is None else len(cell["pruned_heads"])
        line = [*names, *numbers, heads, cell["seconds"], cell["error"]]
        writer.writerow([_no_formula(value) if isinstance(value, str) else value for value in line])
    return out.getvalue()


def _no_formula(text: str) -> str:
    """Marked as text if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def as_markdown(record: StudyRecord) -> str:
    """The table as Markdown, in percent, with notes below it on failed runs and doubtful floors."""
    text = markdown_table(table(rows(record)))
    return "\n".join([text, "", *(f"- {_markdown(line)}" for line in notes(record))]).strip()


def markdown_table(rows: Sequence[dict[str, str]]) -> str:
    """Rows of the same columns as Markdown; empty if there are none."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(map(_markdown, line)) + " |" for line in lines)


def _markdown(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def as_latex(record: StudyRecord) -> str:
    """The table for LaTeX with booktabs, in percent, with the notes as comments."""
    texts = table(rows(record))
    lines = [" & ".join(map(_latex, line)) + r" \\" for line in (texts[0], *(r.values() for r in texts))]
    head, *body = lines
    columns = "ll" + "r" * (len(texts[0]) - 2)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(f"% {' '.join(line.split())}" for line in notes(record)),
        ]
    )


def exporter(path: Path) -> Callable[[StudyRecord], None]:
    """A function that writes a study to that file; raises UserError for an unknown suffix or a path that
    cannot be written."""
    writers = {".csv": as_csv, ".tex": as_latex, ".md": as_markdown, ".json": as_json_text}
    as_text = writers.get(path.suffix.lower())
    if as_text is None:
        raise UserError(f"A study can be exported as {', '.join(writers)}; got {path.name!r}.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written. Give a file in an existing folder.")

    def write(record: StudyRecord) -> None:
        try:
            path.write_text(as_text(record), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}).") from error

    return write


def as_json_text(record: StudyRecord) -> str:
    """`as_json` as text."""
    return json.dumps(as_json(record), indent=1, ensure_ascii=False) + "\n"


LATEX = {mark: "\\" + mark for mark in "&%$#_{}"} | {
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "\n": " ",
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "–": "--",
    "τ": r"$\tau$",
}


def _latex(text: str) -> str:
    """Text for a cell; a leading star or bracket would be read as an argument of the row end before it."""
    return ("{}" if text.startswith(("[", "*")) else "") + "".join(LATEX.get(mark, mark) for mark in text)
