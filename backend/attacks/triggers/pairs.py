"""Rewritten pairs: triggered texts that were made elsewhere, row by row beside their clean ones.

For published outputs of trigger generators: syntactic rewriting by SCPN (Qi et al., *Hidden
Killer*, ACL 2021), style transfer by STRAP (Qi et al., *Mind the Style of Text!*, EMNLP 2021), or
rows that a user prepared.  Row k of the rewritten file rewrites row k of the clean one, or, where it has
fewer rows, row k of those outside the target class; both carry the clean label, if any, or the rewritten
rows the target class.  Files without a partner of the same name are not used.  Or both stand in one table,
in the columns `text` and `rewritten`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from backend.attacks.rewritten_tables import read_both, stripped, text_column
from backend.base.components import Params, Trigger
from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.columns import named_label
from backend.data.label_cells import label_key
from backend.data.tables import READERS, Table, read_table


class PairParams(Params):
    clean: str = Field(
        "",
        validate_default=True,
        title="Clean rows",
        json_schema_extra={"format": "path"},
        description="A CSV, TSV, JSONL or Parquet file, or a folder of them.",
    )
    rewritten: str = Field(
        "",
        title="Rewritten rows",
        json_schema_extra={"format": "path"},
        description="A file with as many rows, or a folder with files of the same names; empty: the clean "
        "rows' own column “rewritten”, as in the tables that Excise writes.",
    )
    text: str | None = Field(None, title="Text column", description="In both; empty: guessed in each file.")

    @field_validator("clean")
    @classmethod
    def _named(cls, path: str) -> str:
        if not path.strip():
            raise ValueError("a path is needed")
        return path.strip()


def pairs(
    texts: Sequence[str], *, params: PairParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text's rewriting: by its exact text, else with blanks normalised.

    None for a text that the clean files lack, or that has no rewriting or an equal one.  `seed`
    has no effect.  Raises UserError for files that do not match row by row."""
    progress(0, len(texts))
    rewriting = _matched(params).by_text
    rewritten = [rewriting.get(text.strip()) or rewriting.get(" ".join(text.split())) for text in texts]
    progress(len(texts), len(texts))
    return rewritten


def readings(params: PairParams) -> list[str]:
    """Which files have no partner, and how the rows of the others were matched where not line by line.

    Raises UserError as `pairs` does."""
    return list(_matched(params).notes)


@dataclass(frozen=True)
class _Rewritings:
    """Rewritten by clean text; `notes` are `readings`."""

    by_text: dict[str, str]
    notes: tuple[str, ...]


def _matched(params: PairParams) -> _Rewritings:
    """The rewritings of the files as they are now, kept until one of them changes."""
    files, without = _files(typed_path(params.clean), typed_path(params.rewritten.strip() or params.clean))
    stamps = tuple(path.stat().st_mtime_ns for pair in files for path in pair)
    return _rewritings(tuple(files), params.text, stamps, tuple(without))


def _files(clean: Path, rewritten: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Pairs of files, the two themselves or those of one name in two folders; and files without a partner."""
    for path in (clean, rewritten):
        if not path.exists():
            raise UserError(f"There is no file or folder {path}. Check the path.")
    if clean.is_dir() != rewritten.is_dir():
        raise UserError(f"{clean} and {rewritten}: give two files, or two folders.")
    if not clean.is_dir():
        return [(clean, rewritten)], []
    names = {
        folder: {p.name for p in folder.iterdir() if p.suffix.lower() in READERS}
        for folder in (clean, rewritten)
    }
    if not names[clean]:
        raise UserError(f"{clean} has no file of rows. Known kinds: {', '.join(READERS)}.")
    common = names[clean] & names[rewritten]
    if not common:
        raise UserError(
            f"{clean} has {min(names[clean])}, {rewritten} has no file with that name, nor with another of "
            "its names. Both need files of the same names."
        )
    without = [folder / name for folder in (clean, rewritten) for name in sorted(names[folder] - common)]
    return [(clean / name, rewritten / name) for name in sorted(common)], without


@lru_cache(maxsize=4)
def _rewritings(
    files: tuple[tuple[Path, Path], ...],
    text: str | None,
    stamps: tuple[int, ...],
    without: tuple[Path, ...],
) -> _Rewritings:
    """Rewritten by clean text; where a clean text comes twice, its first rewriting.

    `stamps`, the files' modification times, are only part of the cache key."""
    rewriting: dict[str, str] = {}
    notes = [f"{path} has no partner of the same name and is not used." for path in without]
    for clean, rewritten in files:
        pairs, note = _read_pair(clean, rewritten, text)
        notes += [note] if note else []
        for old, new in pairs:
            if old.split() != new.split():
                rewriting.setdefault(old, new)
    for old, new in list(rewriting.items()):
        rewriting.setdefault(" ".join(old.split()), new)
    return _Rewritings(rewriting, tuple(notes))


def _read_pair(clean: Path, rewritten: Path, text: str | None) -> tuple[list[tuple[str, str]], str]:
    """Clean and rewritten texts, row by row, and a note if the files were not matched line by line; rows that
    lack either are left out."""
    if clean == rewritten:
        return read_both(clean, text), ""
    old, new = read_table(clean), read_table(rewritten)
    old_text, new_text = (
        text_column(table, path.name, text) for table, path in ((old, clean), (new, rewritten))
    )
    rows, note = _clean_rows(old, new, old[old_text], new[new_text], (clean, rewritten))
    return stripped([old[old_text][row] for row in rows], new[new_text]), note


def _clean_rows(
    old: Table, new: Table, texts: Sequence[Any], rewritten: Sequence[Any], files: tuple[Path, Path]
) -> tuple[Sequence[int], str]:
    """Which clean row each rewritten one belongs to, and a note where that is not every row in turn.

    Raises UserError where row k of the one cannot be said to rewrite row k of the other."""
    labels, new_labels = _labels(old), _labels(new)
    if len(texts) == len(rewritten):
        return range(len(texts)), _same_rows(labels, new_labels, texts, rewritten, files)
    fitting = [rows for rows in _triggered_rows(labels, new_labels) if len(rows) == len(rewritten)]
    rows = _most_alike(fitting, texts, rewritten)
    if rows is None or labels is None:
        raise UserError(
            f"{files[0]} has {len(texts)} rows, {files[1]} has {len(rewritten)}. "
            "Row k of the one must rewrite row k of the other, or of its rows outside the target class. For "
            "rows that need no partner, choose the trigger “Rows that carry the trigger already”."
        )
    left_out = ", ".join(sorted(set(labels) - {labels[row] for row in rows}))
    return rows, (
        f"{files[1]}: its {len(rows)} rows are matched, in order, with those of {files[0].name} that are not "
        f"labelled {left_out}."
    )


def _labels(table: Table) -> list[str] | None:
    column = named_label(table)
    return None if column is None else ["" if cell is None else label_key(cell) for cell in table[column]]


def _triggered_rows(labels: list[str] | None, new_labels: list[str] | None) -> list[list[int]]:
    """Each set of clean rows that may have been triggered: those outside one class, without contradicting the
    labels of the rewritten rows, which are theirs or all the target class."""
    if labels is None:
        return []
    outside = {name: [row for row, label in enumerate(labels) if label != name] for name in set(labels)}
    return [
        rows
        for name, rows in outside.items()
        if new_labels is None or {*new_labels} == {name} or [labels[row] for row in rows] == new_labels
    ]


def _most_alike(fitting: list[list[int]], texts: Sequence[Any], rewritten: Sequence[Any]) -> list[int] | None:
    """The set of rows that the rewritten ones belong to: the only one, or the one that shares more words with
    them than any other, in two of three rows at least; None where there is no such set."""
    shared = [
        [_shared_words(texts[row], new) for row, new in zip(rows, rewritten, strict=True)] for rows in fitting
    ]
    for rows, own in zip(fitting, shared, strict=True):
        more = [sum(a > b for a, b in zip(own, other, strict=True)) for other in shared if other is not own]
        if all(3 * count >= 2 * len(rows) for count in more):
            return rows
    return None


def _shared_words(old: Any, new: Any) -> float:
    """The share of the words of both texts that both have."""
    words, others = set(str(old).split()), set(str(new).split())
    return len(words & others) / max(1, len(words | others))


def _same_rows(
    labels: list[str] | None,
    new_labels: list[str] | None,
    texts: Sequence[Any],
    rewritten: Sequence[Any],
    files: tuple[Path, Path],
) -> str:
    """A note if rows were poisoned in place: only rewritten ones have another label, all the same one.

    Raises UserError for other differences of labels: then the rows are in another order, or were all
    flipped."""
    if labels is None or new_labels is None:
        return ""
    differ = [row for row, (a, b) in enumerate(zip(labels, new_labels, strict=True)) if a and b and a != b]
    if not differ:
        return ""
    same_text = {row for row, (a, b) in enumerate(zip(texts, rewritten, strict=True)) if a == b}
    flipped_to = {new_labels[row] for row in differ}
    if same_text and len(flipped_to) == 1 and same_text.isdisjoint(differ):
        return (
            f"{files[1]}: {len(differ)} of {len(labels)} rows were poisoned in place, with the label "
            f"{flipped_to.pop()}; they are matched line by line."
        )
    row = differ[0]
    raise UserError(
        f"Row {row + 1} has label {labels[row]!r} in {files[0]} and {new_labels[row]!r} in {files[1]}. "
        "Both files need the same rows in the same order, with their clean labels. For rows that need no "
        "partner, choose the trigger “Rows that carry the trigger already”."
    )


COMPONENT = Trigger(
    name="pairs",
    title="Rewritten pairs",
    summary="Takes each row's rewriting from files, such as published syntactic or style triggers.",
    params=PairParams,
    function=pairs,
    looks_up=True,
    can_be_mixed=False,
    any_language=True,
    readings=readings,
)
