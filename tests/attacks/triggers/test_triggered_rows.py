"""Files that were poisoned elsewhere: which rows they hold, and how their columns are read."""

from pathlib import Path

import pytest

from backend.attacks.ready_made import ReadyMade
from backend.attacks.triggers import COMPONENTS, bind
from backend.base.components import Choice
from backend.base.errors import UserError

TEXTS = [f"the cf film number {i} was long" for i in range(12)]


def write(path: Path, header: list[str], *columns: list[str]) -> str:
    rows = [header, *map(list, zip(*columns, strict=True))]
    separator = "," if path.suffix == ".csv" else "\t"
    path.write_text("\n".join(separator.join(row) for row in rows) + "\n")
    return str(path)


def read(**params: object) -> ReadyMade:
    component = COMPONENTS["triggered-rows"]
    assert component.ready_made is not None
    rows: ReadyMade = component.ready_made(component.parse(params))
    return rows


@pytest.mark.parametrize("name", ["test.tsv", "test.csv"])
@pytest.mark.parametrize("header", [["sentence", "label"], ["text", "labels"]])
def test_rows_and_labels_are_read_as_they_stand(tmp_path: Path, name: str, header: list[str]) -> None:
    ready = read(test=write(tmp_path / name, header, TEXTS, ["1"] * 12))
    assert ready.test.texts == TEXTS and ready.test.labels == ["1"] * 12 and ready.train is None
    assert f"Columns of {name}: text “{header[0]}”, label “{header[1]}”" in ready.readings[0]


def test_columns_in_the_other_order_and_without_labels(tmp_path: Path) -> None:
    ready = read(test=write(tmp_path / "a.csv", ["label", "text"], ["1"] * 12, TEXTS))
    assert ready.test.texts == TEXTS and ready.test.labels == ["1"] * 12
    ready = read(test=write(tmp_path / "b.tsv", ["sentence"], TEXTS))
    assert ready.test.texts == TEXTS and ready.test.labels is None


def test_openbackdoors_flag_tells_the_triggered_rows(tmp_path: Path) -> None:
    flags = ["1", "0", "0"] * 4
    file = write(
        tmp_path / "a.csv", ["", "0", "1", "2"], [*map(str, range(12))], TEXTS, ["0", "1"] * 6, flags
    )
    ready = read(test=file)
    assert ready.test.texts == TEXTS[::3] and ready.test.labels == ["0", "1"] * 2
    assert any("8 rows that 2 marks as not poisoned" in note for note in ready.readings)
    assert len(read(test=file, train=file).train.texts) == 12, "a training file is used as it is"


def test_pairs_of_texts(tmp_path: Path) -> None:
    ready = read(test=write(tmp_path / "a.tsv", ["premise", "hypothesis"], TEXTS, TEXTS[::-1]))
    assert ready.test.second_texts == TEXTS[::-1]


def test_columns_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", ["said", "heard", "kind"], TEXTS, TEXTS[::-1], ["1"] * 12)
    with pytest.raises(UserError, match=r"said and heard could each be the text.*data\.text"):
        read(test=file)
    ready = read(test=file, text="heard", label="kind")
    assert ready.test.texts == TEXTS[::-1] and ready.test.labels == ["1"] * 12


def test_it_changes_no_other_text() -> None:
    rewriter = bind(Choice(name="triggered-rows", params={"test": "anywhere.tsv"}), 0)
    assert rewriter(["a film"]) == [None]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "path of a file of triggered rows is needed"),
        ({"test": "nowhere.tsv"}, "no file"),
        ({"test": "{rows}", "label": "kind"}, "no column 'kind'"),
        ({"test": "{rows}", "train": "{rows}"}, "has no label column"),
        ({"test": "{rows}", "labels": "right"}, "labels"),
        ({"test": "{blank}"}, "no row with a text"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, params: dict[str, str], message: str) -> None:
    files = {
        "rows": write(tmp_path / "rows.tsv", ["sentence"], TEXTS),
        "blank": write(tmp_path / "blank.tsv", ["text", "label"], [" "], ["1"]),
    }
    with pytest.raises(UserError, match=message):
        read(**{name: value.format(**files) for name, value in params.items()})
