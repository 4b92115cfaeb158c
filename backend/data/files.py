"""A user's own data: one file of rows, or one file per split."""

from pathlib import Path
from typing import TYPE_CHECKING

from backend.base.paths import typed_path
from backend.data.assemble import assemble
from backend.data.rows import Dataset
from backend.data.tables import read_table

if TYPE_CHECKING:
    from backend.spec.run import DataSpec


def given(spec: "DataSpec") -> dict[str, Path]:
    """The files that `spec` names, by split."""
    paths = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    return {part: typed_path(path) for part, path in paths.items() if path}


def load_files(spec: "DataSpec") -> Dataset:
    """Rows of the user's files; splits without a file are cut from the training rows.

    Raises UserError naming the file and the problem."""
    paths = given(spec)
    tables = {part: read_table(path) for part, path in paths.items()}
    return assemble(", ".join(path.name for path in paths.values()), tables, spec)
