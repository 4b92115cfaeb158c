"""The library page: what is there, adding, using, removing."""

from pathlib import Path

import pytest

from backend.library.bring import add_path
from backend.library.entries import uses
from backend.spec import DataSpec, DefenseSpec, RunSpec

ROWS = b"text,label\na fine film,1\na dull film,0\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_bytes(ROWS)
    return path


def add(page, place: str):
    next(box for box in page.button_group if box.label == "Add").set_value("A path on this machine").run()
    next(box for box in page.text_input if box.label == "Model folder or file of rows").set_value(place)
    next(button for button in page.button if button.label == "Add").click().run()
    assert not page.exception
    return page


def test_a_new_library_lists_what_is_built_in(visit):
    models, data = (frame.value for frame in visit("library").dataframe)
    assert len(models) == 2 and len(data) == 1
    assert models["SHA-256"].str.len().eq(64).all()


def test_a_file_of_rows_is_added_and_the_form_offers_it(visit, rows):
    page = add(visit("library"), str(rows))
    assert "reviews.csv is in the library" in page.success[0].value.replace("\\", "")
    assert "reviews.csv" in page.dataframe[1].value["Name"].tolist()
    attack = visit("attack", data=f"files:{rows}")
    assert str(rows) in [box.value for box in attack.selectbox]


def test_a_wrong_path_is_a_message(visit):
    page = add(visit("library"), "/no/such/place")
    assert "There is nothing at /no/such/place" in page.error[0].value.replace("\\", "")


def test_what_a_waiting_run_reads_is_known(rows):
    entry = add_path(str(rows))
    reading = RunSpec(data=DataSpec(source="files", train=str(rows)), defense=DefenseSpec())
    assert uses(reading, entry)
    assert not uses(RunSpec(defense=DefenseSpec()), entry)
