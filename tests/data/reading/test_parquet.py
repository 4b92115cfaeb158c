"""Parquet files: the cells as they were, and bounds that small files of large tables meet."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from backend.base.errors import UserError
from backend.data.reading import bounds
from backend.data.reading.parquet import read_parquet
from backend.data.reading.table import WHOLE, Table


def packed(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def read(content: bytes) -> Table:
    return read_parquet(content, "a.parquet").tables[WHOLE]


def refused(content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(content)
    return str(caught.value)


def test_cells_and_missing_ones(tmp_path: Path) -> None:
    columns = {
        "text": ["one", None, "one", "two"],
        "label": [1, 0, None, 1],
        "score": [0.5, float("nan"), None, 1.0],
        "kind": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "said": [True, False, None, True],
    }
    cells = read(packed(pa.table(columns)))
    assert cells == {
        "text": ["one", None, "one", "two"],
        "label": [1, 0, None, 1],
        "score": [0.5, None, None, 1.0],
        "kind": ["a", "b", "a", None],
        "said": [True, False, None, True],
    }
    (tmp_path / "a.parquet").write_bytes(packed(pa.table(columns)))
    assert read_parquet(tmp_path / "a.parquet", "a.parquet").tables[WHOLE] == cells


def test_the_index_of_pandas_is_no_column() -> None:
    stream = io.BytesIO()
    pd.DataFrame({"text": ["a", "b"]}, index=pd.Index(["x", "y"], name="row")).to_parquet(stream)
    assert read(stream.getvalue()) == {"text": ["a", "b"]}


def test_columns_that_are_neither_text_nor_label_are_left_out_and_said() -> None:
    content = packed(pa.table({"text": ["a"], "tokens": [[1, 2]], "hash": pa.array([b"1234"], pa.binary(4))}))
    result = read_parquet(content, "a.parquet")
    assert result.tables[WHOLE] == {"text": ["a"]} and "left out (tokens, hash)" in result.notes[0]


class TestBounds:
    def test_a_text_that_comes_a_million_times(self) -> None:
        """Some kilobytes that stand for 900 GB."""
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), ["x" * 900_000])
        content = packed(pa.table({"text": texts, "label": [1] * 1_000_000}))
        assert len(content) < 20_000
        assert "holds more than 1 GiB" in refused(content)

    def test_columns(self) -> None:
        assert "3,000 columns or more" in refused(packed(pa.table({f"c{i}": [1] for i in range(3000)})))

    def test_rows_and_cells_by_the_footer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing = packed(pa.table({"text": pa.nulls(3_000_000, pa.string())}))
        assert len(nothing) < 10_000 and "more than 2,000,000 rows" in refused(nothing)
        monkeypatch.setattr(bounds, "MOST_CELLS", 19)
        assert "more than 19 cells" in refused(packed(pa.table({"text": ["a"] * 10, "label": [1] * 10})))

    def test_a_long_cell(self) -> None:
        assert "more than 1,000,000 characters" in refused(packed(pa.table({"text": ["x" * 1_000_001]})))


@pytest.mark.parametrize("content", [b"PAR1 nothing of the kind", b"PAR1" + bytes(40) + b"PAR1", b"text"])
def test_what_is_no_parquet(content: bytes) -> None:
    assert "a.parquet is not a readable Parquet file" in refused(content)
