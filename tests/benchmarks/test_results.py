"""Results as data: a table is a file with a row a line, which several processes add to; what the project
carries is whole, and the shown tables are what the benchmarks make of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.findings import battery
from backend.report import trigger_quality
from backend.studies import replication
from backend.studies.built_in import STUDIES
from backend.studies.spec import cells
from benchmarks import quick_studies, replication_table
from benchmarks.replication_study import AGAIN, CELLS, PLACE, SEEDS, found_cells, place_of, planned, study
from benchmarks.results import RESULTS, keep, read, row_a_line


def test_rows_lie_sorted_and_one_that_is_made_again_takes_the_place_of_the_old(tmp_path: Path) -> None:
    table = tmp_path / "not there yet" / "found.jsonl"
    assert read(table) == []
    for place, seed, found in (("β", 9, 1), ("α", 10, 2), ("α", 9, 3), ("β", 9, 4)):
        keep(table, {"place": place, "seed": seed, "found": found, "said": "a\u2028line"}, ("place", "seed"))
    assert [(row["place"], row["seed"], row["found"]) for row in read(table)] == [
        ("α", 9, 3),
        ("α", 10, 2),
        ("β", 9, 4),
    ]
    assert table.read_text(encoding="utf-8").count("\n") == 3
    assert [path.name for path in table.parent.iterdir()] == ["found.jsonl"]


KEEP_SOME = """
import sys
from pathlib import Path
from benchmarks.results import keep

for number in range(30):
    row = {"process": int(sys.argv[2]), "number": number, "found": "x" * 5000}
    keep(Path(sys.argv[1]), row, ("number", "process"))
"""


def test_no_row_is_lost_where_several_processes_write_at_once(tmp_path: Path) -> None:
    table = tmp_path / "found.jsonl"
    command = [sys.executable, "-c", KEEP_SOME, str(table)]
    processes = [subprocess.Popen([*command, str(number)], cwd=RESULTS.parent) for number in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    places = [(row["number"], row["process"]) for row in read(table)]
    assert places == [(number, process) for number in range(30) for process in range(3)]


def test_a_table_for_the_dashboard_has_a_row_a_line() -> None:
    found = {"about": "ü", "rows": [{"a": 1, "b": [1, 2]}, {"a": 2, "b": []}], "by": {"x": {"y": {"z": 1}}}}
    text = row_a_line(found, 2)
    assert json.loads(text) == found
    assert text.splitlines() == [
        "{",
        ' "about": "ü",',
        ' "rows": [',
        '  {"a": 1, "b": [1, 2]},',
        '  {"a": 2, "b": []}',
        " ],",
        ' "by": {',
        '  "x": {"y": {"z": 1}}',
        " }",
        "}",
    ]


@pytest.mark.parametrize(("file", "count"), [(CELLS, 385), (AGAIN, 50)])
def test_every_cell_of_the_replication_is_a_line_at_its_place(file: str, count: int) -> None:
    lines = (RESULTS / file).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    places = [place_of(json.loads(line)) for line in lines]
    assert len(places) == count
    assert places == sorted(set(places)), "sorted, each place once"
    assert set(places) <= {cell.place for cell in planned(cells(study(SEEDS)))}
    assert len(found_cells(file)) == count, "all were made with the settings that the benchmark has"
    assert all(tuple(json.loads(line))[:3] == PLACE for line in lines)


def test_the_tables_that_are_shown_are_what_the_benchmark_makes_of_the_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = [
        (path, path.read_text(encoding="utf-8")) for path in (replication_table.PAGE, replication.FOUND)
    ]
    monkeypatch.setattr(replication_table, "PAGE", tmp_path / "replication.md")
    monkeypatch.setattr(replication, "FOUND", tmp_path / "replication.json")
    replication_table.write_table()
    (page, page_text), (table, table_text) = carried
    assert (tmp_path / page.name).read_text(encoding="utf-8") == page_text
    made = (tmp_path / table.name).read_text(encoding="utf-8")
    assert rounded(made) == rounded(table_text)
    assert made.count("\n") == table_text.count("\n"), "a row a line"


def rounded(text: str) -> Any:
    """What differs in the last digits is the arithmetic of another machine."""
    return json.loads(text, parse_float=lambda number: round(float(number), 9))


def test_the_page_of_the_quick_studies_is_made_of_their_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [row["study"] for row in read(quick_studies.TABLE)]
    assert names == sorted(STUDIES)
    carried = quick_studies.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(quick_studies, "PAGE", tmp_path / "quick.md")
    quick_studies.write_page()
    assert (tmp_path / "quick.md").read_text(encoding="utf-8") == carried


@pytest.mark.parametrize(
    ("file", "depth"), [(replication.FOUND, 4), (trigger_quality.FOUND, 3), (battery.CLEAN_MODELS_FILE, 2)]
)
def test_what_the_dashboard_reads_lies_a_row_a_line(file: Path, depth: int) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == row_a_line(json.loads(text), depth) + "\n"
