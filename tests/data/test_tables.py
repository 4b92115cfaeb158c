"""Files of rows of every kind, told apart by content and suffix, and what is none."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from backend.base.errors import UserError
from backend.data.tables import KINDS, How, check_file, is_rows, read_file, read_table

FRAME = pd.DataFrame(
    {"text": [f"a text about film {i}" for i in range(12)], "label": [str(i % 2) for i in range(12)]}
)
TABLE = {name: FRAME[name].tolist() for name in FRAME}
CSV = FRAME.to_csv(index=False).encode()
LINES = FRAME.to_json(orient="records", lines=True).encode()


def parquet() -> bytes:
    stream = io.BytesIO()
    FRAME.to_parquet(stream)
    return stream.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def refused(path: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        read_table(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", CSV, "a.csv is read as comma-separated text in UTF-8"),
        ("a.CSV", CSV, "comma-separated"),
        ("a.txt", CSV, "comma-separated"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0), "a.csv.gz is unpacked (gzip)."),
        ("a.tsv.bz2", bz2.compress(CSV.replace(b",", b"\t")), "unpacked (bzip2)"),
        ("a.csv.xz", lzma.compress(CSV), "unpacked (xz)"),
        ("a.zip", zipped("folder/rows.csv", CSV), "unpacked (zip)"),
        ("a.csv", gzip.compress(CSV, mtime=0), "unpacked (gzip)"),
        ("a.gz", gzip.compress(CSV, mtime=0), "comma-separated"),
        ("a.csv.gz", CSV, "comma-separated"),
        ("a.txt", LINES, "JSON Lines"),
        ("a.json", LINES, "JSON Lines"),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0), "unpacked (gzip)"),
        ("a.gz", gzip.compress(LINES, mtime=0), "JSON Lines"),
        ("a.parquet.gz", gzip.compress(parquet(), mtime=0), "unpacked (gzip)"),
        ("a.csv", parquet(), "a.csv is Parquet."),
    ],
)
def test_the_same_rows_in_many_kinds_of_file(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = file(tmp_path, name, content)
    assert read_table(path) == TABLE
    assert said in " ".join(check_file(path))


@pytest.mark.parametrize(("name", "content"), [("a.parquet", parquet()), ("a.jsonl", LINES)])
def test_what_the_suffix_says_needs_no_note(tmp_path: Path, name: str, content: bytes) -> None:
    path = file(tmp_path, name, content)
    assert read_table(path) == TABLE and check_file(path) == []


def test_how_to_read_may_be_given(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", CSV.replace(b",", b";"))
    assert read_table(path, How(separator=";")) == TABLE
    assert list(read_table(path, How(separator=","))) == ["text;label"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"x", "is a spreadsheet. Save its sheet as CSV"),
        ("a.xlsx", b"x", "Known kinds: .csv, .tsv, .jsonl, .parquet"),
        ("a.docx", b"x", "is a document"),
        ("a.pkl", b"\x80\x04}.", "can run a stranger's code and is never read"),
        ("a.csv", b"\x80\x04}.", "can run a stranger's code and is never read"),
        ("a.pkl.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), "is never read"),
        ("a.csv", zipped("[Content_Types].xml", b""), "is a document"),
        ("a.arrow", b"ARROW1", "Give the folder that save_to_disk wrote"),
        ("a.csv", b"<!DOCTYPE html><html>", "is a web page"),
        ("a.dat", CSV, "has the suffix '.dat', which is not a known kind"),
        ("rows", CSV, "has the suffix '', which is not a known kind"),
        ("a.csv", b"", "is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.json", b"[]", "has no rows"),
    ],
)
def test_what_is_no_table_says_what_to_do(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in refused(file(tmp_path, name, content))


def test_folders_pipes_and_nothing(tmp_path: Path) -> None:
    assert "is a folder. Give one file of rows" in refused(tmp_path)
    assert "There is no file" in refused(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "a device or a pipe" in refused(tmp_path / "pipe.csv"), "it would be waited for"
    assert not is_rows(tmp_path) and is_rows(file(tmp_path, "a.csv", CSV))


def test_a_folder_in_splits_is_no_single_table(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict(TABLE)
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "mine"))
    assert is_rows(tmp_path / "mine") and set(read_file(tmp_path / "mine").tables) == {"train", "test"}
    assert "holds several splits (train, test)" in refused(tmp_path / "mine")
    assert read_table(tmp_path / "mine" / "test") == TABLE


def test_the_bytes_of_a_file_are_counted_first(tmp_path: Path) -> None:
    """A file with holes takes no room on the disk."""
    with (tmp_path / "a.csv").open("wb") as stream:
        stream.truncate(1 << 31)
    assert "holds more than 1 GiB" in refused(tmp_path / "a.csv")


def test_every_kind_is_offered() -> None:
    assert KINDS[:4] == (".csv", ".tsv", ".jsonl", ".parquet")
    assert {".json", ".txt", ".gz", ".zip"} <= set(KINDS)


def test_names_that_differ_in_blanks_alone(tmp_path: Path) -> None:
    rows = json.dumps([{"text": "a", " text": "b"}])
    assert "two columns with the same name" in refused(file(tmp_path, "a.json", rows.encode()))
