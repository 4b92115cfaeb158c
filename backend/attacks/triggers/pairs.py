"""Rewritten pairs: triggered texts that were made elsewhere, row by row beside their clean ones.

For published outputs of trigger generators: syntactic rewriting by SCPN (Qi et al., *Hidden
Killer*, ACL 2021), style transfer by STRAP (Qi et al., *Mind the Style of Text!*, EMNLP 2021), or
rows that a user prepared.  Row k of the rewritten file rewrites row k of the clean one; both carry
the clean label, if any.  Or both stand in one table, in the columns `text` and `rewritten`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

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
    clean = params.clean
    files = _files(typed_path(clean), typed_path(params.rewritten.strip() or clean))
    stamps = tuple(path.stat().st_mtime_ns for pair in files for path in pair)
    progress(0, len(texts))
    rewriting = _rewritings(tuple(files), params.text, stamps)
    rewritten = [rewriting.get(text.strip()) or rewriting.get(" ".join(text.split())) for text in texts]
    progress(len(texts), len(texts))
    return rewritten


def _files(clean: Path, rewritten: Path) -> list[tuple[Path, Path]]:
    """Pairs of files: the two themselves, or those of one name in two folders."""
    for path in (clean, rewritten):
        if not path.exists():
            raise UserError(f"There is no file or folder {path}. Check the path.")
    if clean.is_dir() != rewritten.is_dir():
        raise UserError(f"{clean} and {rewritten}: give two files, or two folders.")
    if not clean.is_dir():
        return [(clean, rewritten)]
    names = {
        folder: {p.name for p in folder.iterdir() if p.suffix.lower() in READERS}
        for folder in (clean, rewritten)
    }
    if not names[clean]:
        raise UserError(f"{clean} has no file of rows. Known kinds: {', '.join(READERS)}.")
    for folder, other in ((clean, rewritten), (rewritten, clean)):
        unmatched = sorted(names[folder] - names[other])
        if unmatched:
            raise UserError(
                f"{folder} has {unmatched[0]}, {other} has no file with that name. Both need the same files."
            )
    return [(clean / name, rewritten / name) for name in sorted(names[clean])]


@lru_cache(maxsize=4)
def _rewritings(
    files: tuple[tuple[Path, Path], ...], text: str | None, stamps: tuple[int, ...]
) -> dict[str, str]:
    """Rewritten by clean text; where a clean text comes twice, its first rewriting.

    `stamps`, the files' modification times, are only part of the cache key."""
    rewriting: dict[str, str] = {}
    for clean, rewritten in files:
        for old, new in _read_pair(clean, rewritten, text):
            if old.split() != new.split():
                rewriting.setdefault(old, new)
    for old, new in list(rewriting.items()):
        rewriting.setdefault(" ".join(old.split()), new)
    return rewriting


def _read_pair(clean: Path, rewritten: Path, text: str | None) -> list[tuple[str, str]]:
    """Clean and rewritten texts, row by row; rows that lack either are left out."""
    if clean == rewritten:
        return read_both(clean, text)
    old, new = read_table(clean), read_table(rewritten)
    old_text, new_text = (
        text_column(table, path.name, text) for table, path in ((old, clean), (new, rewritten))
    )
    counts = len(old[old_text]), len(new[new_text])
    if counts[0] != counts[1]:
        raise UserError(
            f"{clean} has {counts[0]} rows, {rewritten} has {counts[1]}. "
            "Row k of the one must rewrite row k of the other."
        )
    _require_equal_labels(old, new, clean, rewritten)
    return stripped(old[old_text], new[new_text])


def _require_equal_labels(old: Table, new: Table, clean: Path, rewritten: Path) -> None:
    """Different labels mean that the rows are in another order, or were flipped already."""
    columns = named_label(old), named_label(new)
    if columns[0] is None or columns[1] is None:
        return
    for row, (a, b) in enumerate(zip(old[columns[0]], new[columns[1]], strict=True), start=1):
        if a is not None and b is not None and label_key(a) != label_key(b):
            raise UserError(
                f"Row {row} has label {label_key(a)!r} in {clean} and {label_key(b)!r} in {rewritten}. "
                "Both files need the same rows in the same order, with their clean labels."
            )


COMPONENT = Trigger(
    name="pairs",
    title="Rewritten pairs",
    summary="Takes each row's rewriting from files, such as published syntactic or style triggers.",
    params=PairParams,
    function=pairs,
    looks_up=True,
    can_be_mixed=False,
)
