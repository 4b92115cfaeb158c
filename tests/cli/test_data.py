"""`python -m backend data FILE`: what is made of a file, before anything starts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result

ROWS = "".join(f"a text number {i} about films;{'good' if i % 2 else 'bad'}\n" for i in range(60))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS)
    return tmp_path / "a.csv"


def test_columns_rows_notes_and_classes(excise: Callable[..., Result], rows: Path) -> None:
    status, out, _ = excise("data", rows)
    assert status == 0
    assert "column 1" in out and "a text number 4 about films" in out and "number 5" not in out
    assert "semicolon-separated text in UTF-8, without column names" in out
    assert "Rows used: 48 train, 6 validation, 6 test." in out and "Classes: bad, good." in out


def test_a_file_does_not_steer_the_terminal_that_shows_it(
    excise: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "".join(f"\x1b[31mred {i},{'ab'[i % 2]}\n" for i in range(60)))
    status, out, _ = excise("data", file)
    assert status == 0 and "\x1b" not in out and r"\x1b[31mred 1" in out


def test_as_json(excise: Callable[..., Result], rows: Path) -> None:
    status, out, _ = excise("data", rows, "--json")
    shown = json.loads(out)
    assert status == 0 and shown["problem"] is None
    assert shown["tables"]["rows"]["columns"] == ["column 1", "column 2"]
    assert shown["tables"]["rows"]["rows"] == 60
    assert shown["tables"]["rows"]["first_rows"][0] == ["a text number 0 about films", "bad"]
    assert shown["splits"] == {"train": 48, "validation": 6, "test": 6}
    assert shown["classes"] == ["bad", "good"]


def test_said_otherwise(excise: Callable[..., Result], rows: Path) -> None:
    changes = ("--set", "header=yes", "--set", "data.separator=semicolon")
    status, out, _ = excise("data", rows, "--json", *changes)
    assert status == 0 and json.loads(out)["tables"]["rows"]["columns"][1] == "bad"
    status, _, err = excise("data", rows, "--set", "separator=x")
    assert status == 2 and "separator" in err


def test_a_file_that_is_read_but_holds_no_labels(excise: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\n" + "a text about films\n" * 9)
    status, out, err = excise("data", tmp_path / "a.txt")
    assert status == 2 and "a text about films" in out and "no column that looks like labels" in err
    status, out, err = excise("data", tmp_path / "a.txt", "--json")
    assert status == 2 and "labels" in json.loads(out)["problem"]


def test_a_file_that_cannot_be_read(excise: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("x")
    status, out, err = excise("data", tmp_path / "a.xlsx")
    assert (status, out) == (2, "") and "Save its sheet as CSV" in err


def test_without_a_file_the_sources_are_listed(excise: Callable[..., Result]) -> None:
    status, out, _ = excise("data", "--json")
    assert status == 0 and {"movie-reviews", "files"} <= {source["name"] for source in json.loads(out)}
    status, _, err = excise("data", "--set", "separator=tab")
    assert status == 2 and "is for a file" in err


def test_a_bad_file_of_test_rows_leaves_the_training_rows_shown(
    excise: Callable[..., Result], rows: Path, tmp_path: Path
) -> None:
    asked = ("data", rows, "--json", "--set", f"test={tmp_path / 'absent.csv'}")
    status, out, _ = excise(*asked)
    shown = json.loads(out)
    assert status == 2 and "There is no file" in shown["problem"] and shown["tables"]["rows"]["rows"] == 60
