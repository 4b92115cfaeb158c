"""Folders that `save_to_disk` of the datasets library wrote: a data set, or one for each split.

Only their Arrow files and the JSON beside them are read, batch by batch; nothing in them is executed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.reading.arrow_columns import cells_of, flat_columns, reason_of
from backend.data.reading.bounds import require_bytes, require_cells, require_columns, require_rows, size_text
from backend.data.reading.table import WHOLE, Reading, Table

STATE = "state.json"
SPLITS = "dataset_dict.json"
INFO = "dataset_info.json"
LARGEST_DESCRIPTION = 1 << 24
AGAIN = "Save the data set again with save_to_disk."
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""What the splits of a data set are called elsewhere."""


def is_saved(folder: Path) -> bool:
    """Whether the folder is one that `save_to_disk` wrote."""
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def arrow_files(folder: Path) -> list[Path]:
    """The files of rows in such a folder."""
    return sorted(folder.glob("**/*.arrow"))


def read_saved(folder: Path) -> Reading:
    """The tables of such a folder; its splits as train, validation and test.

    Raises UserError for a folder that is not as that library writes it, and for more than is read."""
    if not (folder / SPLITS).is_file():
        table, of_table = _split(folder, folder.name)
        return Reading(
            {WHOLE: table}, [f"{folder.name} is read as a folder of the datasets library."], of_table
        )
    names = _description(folder / SPLITS).get("splits")
    if not isinstance(names, list) or not all(isinstance(n, str) and Path(n).name == n for n in names):
        raise UserError(f"{folder / SPLITS} names no splits. {AGAIN}")
    used = {
        part: name
        for part, known in SPLIT_NAMES.items()
        if (name := next((name for name in names if name in known), None)) is not None
    }
    if "train" not in used:
        raise UserError(
            f"{folder.name} has no split “train”; it has: {', '.join(names)}. Give the folder of one split."
        )
    tables: dict[str, Table] = {}
    classes: Mapping[str, list[str]] = {}
    for part, name in used.items():
        tables[part], here = _split(folder / name, f"{folder.name}/{name}")
        if part == "train":
            classes = here
        elif here != classes:
            raise UserError(f"{folder.name}: the splits train and {name} number their classes differently.")
    said = ", ".join(part if part == name else f"{part} from “{name}”" for part, name in used.items())
    notes = [f"{folder.name} is read as a folder of the datasets library, with its splits {said}."]
    if left_out := [name for name in names if name not in used.values()]:
        notes.append(f"{folder.name}: the splits {', '.join(left_out[:8])} are left out.")
    return Reading(tables, notes, classes)


def _split(folder: Path, name: str) -> tuple[Table, dict[str, list[str]]]:
    """The columns of one data set that can be text or label, and the names of numbered classes."""
    import pyarrow as pa

    state = _description(folder / STATE)
    if state.get("_indices_data_files"):
        raise UserError(f"{name} holds a selection of rows. Save it again after flatten_indices().")
    table: Table = {}
    rows = characters = 0
    try:
        for batch in _batches(folder, name, state):
            require_columns(name, batch.num_columns)
            rows += batch.num_rows
            require_rows(name, rows, batch.num_columns)
            for column in flat_columns(batch.schema):
                cells, length = cells_of(batch.column(column), f"{name}, column {column}")
                table.setdefault(column, []).extend(cells)
                characters += length
                require_bytes(name, characters)
            require_cells(name, rows * len(table))
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise UserError(
            f"{name} is not a readable folder of the datasets library ({reason_of(error)}). {AGAIN}"
        ) from error
    return table, _classes(folder)


def _batches(folder: Path, name: str, state: Mapping[str, Any]) -> Iterator[Any]:
    """The batches of rows of all of its files, which must lie in the folder itself."""
    import pyarrow as pa

    files = state.get("_data_files")
    named = [file.get("filename") if isinstance(file, dict) else None for file in files or []]
    for filename in named:
        if not isinstance(filename, str) or Path(filename).name != filename:
            raise UserError(f"{name}: {STATE} names the file {filename!r}, which is not in the folder.")
        file = folder / filename
        if not file.is_file():
            raise UserError(f"{name}: the file {filename} is missing. Copy the whole folder.")
        require_bytes(f"{name}/{filename}", file.stat().st_size)
        with pa.memory_map(str(file)) as source:
            yield from pa.ipc.open_stream(source)


def _classes(folder: Path) -> dict[str, list[str]]:
    """The names of the classes in the columns that number them, in their order."""
    features = _description(folder / INFO).get("features") if (folder / INFO).is_file() else None
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in (features if isinstance(features, dict) else {}).items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
    }


def _description(path: Path) -> dict[str, Any]:
    """A JSON file of such a folder."""
    try:
        if path.stat().st_size > LARGEST_DESCRIPTION:
            raise UserError(
                f"{path} is larger than {size_text(LARGEST_DESCRIPTION)}. It is not a description."
            )
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}). {AGAIN}") from error
    if not isinstance(described, dict):
        raise UserError(f"{path} is no JSON object. {AGAIN}")
    return described
