"""Where files are read."""

import os
from pathlib import Path

import pytest

from backend import data
from backend.base.errors import UserError
from backend.data.reading import elsewhere
from backend.data.reading.elsewhere import Elsewhere, bounded, read_elsewhere
from backend.data.tables import check_file, read_table
from backend.spec.run import DataSpec

ROWS = "text,label\n" + "".join(f"a text number {i},{i % 2}\n" for i in range(60))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS)
    return tmp_path / "a.csv"


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As in the dashboard; counts the times that it looked whether somebody waits."""
    looked: list[int] = []
    monkeypatch.setattr(Elsewhere, "while_waiting", Elsewhere.while_waiting)
    read_elsewhere(lambda: looked.append(1))
    return looked


def test_this_process_reads_unless_it_is_told_otherwise() -> None:
    assert bounded("it", os.getpid) == os.getpid()


def test_told_so_it_reads_nothing_itself(apart: list[int], rows: Path) -> None:
    assert bounded("it", os.getpid) != os.getpid()
    here = data.files.load_files(DataSpec(source="files", train=str(rows)))
    assert data.load(DataSpec(source="files", train=str(rows))) == here
    assert read_table(rows)["label"][:3] == ["0", "1", "0"]
    assert check_file(rows) == here.notes[:1]
    assert apart, "it looked whether somebody waits"
    with pytest.raises(UserError, match="There is no file"):
        data.load(DataSpec(source="files", train=str(rows) + ".csv"))


@pytest.mark.parametrize(
    ("name", "limit", "message"),
    [
        ("MOST_ANSWERED", 1000, "Reading the files gives more than 1000 bytes of rows, too many"),
        ("MOST_SECONDS", 0.0, "takes more than 0 minutes. Leave out rows"),
        ("MOST_MEMORY", 20 << 20, "Reading the files (takes more than 20 MiB of memory|ended without)"),
    ],
)
def test_limits_are_named(
    apart: list[int], rows: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: float, message: str
) -> None:
    monkeypatch.setattr(elsewhere, name, limit)
    with pytest.raises(UserError, match=message):
        data.load(DataSpec(source="files", train=str(rows), split_seed=7))
