"""Columns of Arrow, which Parquet files and the folders of the datasets library are read into."""

from typing import Any

from backend.data.reading.bounds import require_cell


def flat_columns(schema: Any) -> list[str]:
    """The names of the columns of texts and single values.

    Lists, objects and arrays are neither text nor label, and could not be bounded before they unfold."""
    import pyarrow as pa

    def is_flat(kind: Any) -> bool:
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        wide = pa.types.is_fixed_size_binary(inner) or isinstance(inner, pa.BaseExtensionType)
        return not (pa.types.is_nested(inner) or wide)

    return [field.name for field in schema if is_flat(field.type)]


def text_columns(schema: Any) -> list[str]:
    """The names of the columns whose values are stored as text or bytes."""
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]


def cells_of(column: Any, where: str) -> tuple[list[Any], int]:
    """The cells of a batch's column, and the characters of its texts; a missing one and NaN are None.

    A value of a dictionary is one object however often it comes.  Raises UserError for too long a text."""
    import pyarrow as pa

    if isinstance(column, pa.DictionaryArray):
        values = [_cell(value) for value in column.dictionary.to_pylist()]
        cells = [None if place is None else values[place] for place in column.indices.to_pylist()]
    else:
        cells = [_cell(value) for value in column.to_pylist()]
    lengths = [len(cell) for cell in cells if isinstance(cell, str | bytes)]
    require_cell(where, max(lengths, default=0))
    return cells, sum(lengths)


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def reason_of(error: Exception) -> str:
    """The first line of an error of the library."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
