"""A user's own data: one file of rows, or one file per split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.assemble import assemble
from backend.data.columns import choose_columns
from backend.data.reading.saved_folder import arrow_files
from backend.data.reading.table import WHOLE, Reading, Table, how_of
from backend.data.rows import Dataset
from backend.data.tables import read_file

if TYPE_CHECKING:
    from backend.spec.run import DataSpec


def given(spec: "DataSpec") -> dict[str, Path]:
    """The files that `spec` names, by split."""
    paths = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    return {part: typed_path(path) for part, path in paths.items() if path}


def stamps(spec: "DataSpec") -> list[tuple[str, int, int]]:
    """Path, modification time (ns) and size of every file that `spec` names, or that is in such a folder."""
    stamped = []
    for path in given(spec).values():
        files = [path, *arrow_files(path)] if path.is_dir() else [path]
        stats = [(str(file.absolute()), file.stat()) for file in files if file.exists()]
        stamped += [(name, stat.st_mtime_ns, stat.st_size) for name, stat in stats]
    return stamped


def load_files(spec: "DataSpec") -> Dataset:
    """Rows of the user's files; splits without a file are cut from the training rows.

    The notes begin with how each file was read.  Raises UserError naming the file and the problem."""
    return with_train(spec, read_file(spec.train, how_of(spec)))


def with_train(spec: "DataSpec", train: Reading) -> Dataset:
    """As `load_files`, where the file of the training rows was read already."""
    paths = given(spec)
    others = {part: path for part, path in paths.items() if part != "train"}
    readings = {"train": train} | {part: read_file(path, how_of(spec)) for part, path in others.items()}
    notes = [note for result in readings.values() for note in result.notes]
    tables = _tables(readings, paths)
    spec, names = _numbered_classes(spec, readings, tables["train"], notes)
    dataset = assemble(", ".join(path.name for path in paths.values()), tables, spec, names)
    return replace(dataset, notes=list(dict.fromkeys([*notes, *dataset.notes])))


def _tables(readings: Mapping[str, Reading], paths: Mapping[str, Path]) -> dict[str, Table]:
    """A table for each split: that of its own file; else, of a folder in splits, the split of that name."""
    tables: dict[str, Table] = {}
    for part, result in readings.items():
        if WHOLE in result.tables:
            tables[part] = result.tables[WHOLE]
        elif part in result.tables:
            tables[part] = result.tables[part]
        else:
            raise UserError(
                f"{paths[part]} has no split for the {part} rows; it has: {', '.join(result.tables)}. "
                "Give the folder of one split."
            )
    return {**readings["train"].tables, **tables} if WHOLE not in readings["train"].tables else tables


def _numbered_classes(
    spec: "DataSpec", readings: Mapping[str, Reading], train: Table, notes: list[str]
) -> tuple["DataSpec", Sequence[str] | None]:
    """The columns, and the names of the classes where the label column numbers them; None elsewhere."""
    classes = readings["train"].classes
    if not classes:
        return spec, None
    columns, guesses = choose_columns(train, "The train data", spec.text, spec.label, spec.second_text)
    names = classes.get(columns.label)
    others = {tuple(result.classes.get(columns.label) or ()) for result in readings.values()}
    if names is None:
        return spec, None
    if others != {tuple(names)}:
        raise UserError(
            f"The column {columns.label} numbers its classes ({', '.join(names)}) in the training rows, but "
            "not in the same way in the other files. Save all of them as one data set, or as CSV."
        )
    notes += guesses
    update = {"text": columns.text, "second_text": columns.second_text, "label": columns.label}
    return spec.model_copy(update=update), names
