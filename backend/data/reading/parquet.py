"""Parquet files, bounded by what their footer says before any row is unfolded, and again while reading."""

import io
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.data.reading.arrow_columns import cells_of, flat_columns, reason_of, text_columns
from backend.data.reading.bounds import require_bytes, require_cells, require_columns, require_rows
from backend.data.reading.table import WHOLE, Reading, Table

ROWS_AT_ONCE = 4096


def read_parquet(source: Path | bytes, name: str) -> Reading:
    """The columns of a Parquet file, but for those that pandas keeps as index.

    Raises UserError for a damaged file and for one that would unfold beyond the bounds."""
    import pyarrow as pa

    try:
        return _read(source, name)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{name} is not a readable Parquet file ({reason_of(error)}).") from error


def _read(source: Path | bytes, name: str) -> Reading:
    from pyarrow import parquet

    def opened(texts: list[str] | None = None) -> Any:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        return parquet.ParquetFile(stream, read_dictionary=texts)

    file = opened()
    schema = file.schema_arrow
    columns, left_out = _columns(schema)
    _require_within(name, file.metadata)
    # A text that comes again is one object however often it comes: a few bytes can stand for gigabytes.
    file = opened([column for column in text_columns(schema) if column in columns])
    table: Table = {column: [] for column in columns}
    characters = rows = 0
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False):
        for column in columns:
            cells, length = cells_of(batch.column(column), f"{name}, column {column}")
            table[column] += cells
            characters += length
            require_bytes(name, characters)
        rows += batch.num_rows
        require_rows(name, rows, len(columns))
    listed = ", ".join(left_out[:8])
    notes = [f"{name}: columns of lists, objects or arrays left out ({listed})."] if left_out else []
    return Reading({WHOLE: table}, notes)


def _columns(schema: Any) -> tuple[list[str], list[str]]:
    """The names of the columns to read, and of those that are left out for what they hold."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    flat = flat_columns(schema)
    return [n for n in flat if n not in index], [n for n in schema.names if n not in flat]


def _require_within(name: str, metadata: Any) -> None:
    """Raise UserError where the footer speaks of more than is read."""
    require_columns(name, metadata.num_columns)
    require_rows(name, metadata.num_rows, metadata.num_columns)
    cells = size = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            part = metadata.row_group(group).column(number)
            cells += part.num_values
            size += part.total_uncompressed_size
    require_cells(name, cells)
    require_bytes(name, size)
