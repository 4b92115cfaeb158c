"""JSON files in every shape that rows come in."""

import json

import pandas as pd
import pytest

from backend.base.errors import UserError
from backend.data.reading import bounds
from backend.data.reading.json_shapes import is_json, read_json
from backend.data.reading.table import WHOLE, Reading
from backend.data.reading.text import text_of

FRAME = pd.DataFrame({"text": [f"a text {i}" for i in range(6)], "label": [i % 2 for i in range(6)]})
TABLE = {name: FRAME[name].tolist() for name in FRAME}
RECORDS = FRAME.to_dict("records")


def read(content: str, suffix: str = ".json") -> Reading:
    return read_json(text_of(f"a{suffix}", content.encode()), suffix)


def refused(content: str, suffix: str = ".json") -> str:
    with pytest.raises(UserError) as caught:
        read(content, suffix)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (json.dumps(RECORDS), "a JSON list of records"),
        (json.dumps(RECORDS, indent=2), "a JSON list of records"),
        ("\n\n".join(map(json.dumps, RECORDS)), "JSON Lines"),
        (json.dumps({"version": 2, "data": RECORDS}), "rows are in “data”"),
        (json.dumps({"version": 2, "rows": RECORDS}, indent=1), "rows are in “rows”"),
        (json.dumps(FRAME.to_dict("list")), "a JSON object of columns"),
        (FRAME.to_json(orient="split"), "a JSON object of columns and data"),
        (FRAME.to_json(orient="columns"), "a JSON object of columns by row number"),
        (FRAME.to_json(orient="index"), "a JSON object of records"),
    ],
)
def test_the_shape_is_found_out_and_said(content: str, shape: str) -> None:
    result = read(content)
    assert result.tables == {WHOLE: TABLE}
    assert shape in result.notes[0] and result.notes[0].endswith("in UTF-8.")


def test_what_the_suffix_says_needs_no_note_and_what_it_does_not_say_has_one() -> None:
    lines = "\n".join(map(json.dumps, RECORDS))
    assert read(lines, ".jsonl") == Reading({WHOLE: TABLE})
    assert "a JSON list of records" in read(json.dumps(RECORDS), ".jsonl").notes[0]


def test_rows_without_names() -> None:
    assert read(FRAME.to_json(orient="values")).tables[WHOLE]["column 2"] == TABLE["label"]


def test_a_cell_that_a_record_lacks_is_missing() -> None:
    rows = '{"text": "one"}\n{"label": 1}\n{"text": NaN, "label": 0}'
    assert read(rows).tables[WHOLE] == {"text": ["one", None, None], "label": [None, 1, 0]}


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        ('{"text": "x", "label": 1}\n{"text": ', ".jsonl", "line 2 is not JSON"),
        ("[1, 2]", ".jsonl", "line 1 is a list. Give one object a line"),
        ("[1, 2]", ".json", "record 1 is a int"),
        ('"text"', ".json", "line 1 is a str"),
        ("no JSON", ".json", "line 1 is not JSON"),
        ('{"train": [{"a": 1}], "test": [{"a": 1}]}', ".json", "several lists of records: train, test"),
        ('{"a": 1, "b": [1]}', ".json", "without rows that are found; it has: a, b"),
        ('{"a": [1, 2], "b": [1]}', ".json", "columns of different lengths (a: 2, b: 1)"),
        ("[[1, 2], [1]]", ".json", "record 2 has not one cell for each of its 2 columns"),
        ('{"data": [{"a": 1', ".json", "is not JSON"),
        ("[" * 100_000, ".json", "is not JSON"),
    ],
)
def test_refusals(content: str, suffix: str, message: str) -> None:
    assert message in refused(content, suffix)


class TestBounds:
    def test_a_new_name_a_line_stops_early(self) -> None:
        assert "at most 1,000 are read" in refused(
            "\n".join(f'{{"k{i}": "x"}}' for i in range(16_000)), ".jsonl"
        )

    def test_what_is_inside_cells_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "MOST_CELLS", 100)
        assert "more than 100 cells" in refused('{"text": "x", "n": [' + "1," * 200 + "1]}\n{}", ".jsonl")
        assert "more than 100 cells" in refused("\n".join(['{"n": [1,2,3,4,5,6,7,8,9]}'] * 12), ".jsonl")

    def test_nesting(self) -> None:
        deep = '{"text": ' + "[" * 60 + "]" * 60 + "}\n{}"
        assert "more than 50 lists or objects inside each other" in refused(deep, ".jsonl")

    def test_a_document_has_to_be_smaller_than_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backend.data.reading.json_shapes.MOST_BYTES_OF_A_DOCUMENT", 50)
        assert "Save it as JSON Lines" in refused(json.dumps(RECORDS))

    def test_a_long_cell(self) -> None:
        assert "more than 1,000,000 characters" in refused(json.dumps([{"text": "x" * 1_000_001}]))


@pytest.mark.parametrize(
    ("content", "answer"),
    [('{"a": 1}\n{"a": 2}', True), ('[{"a": 1}]', True), ("[sic] a text\t1", False), ("{a} text\t1", False)],
)
def test_a_text_file_may_be_json(content: str, answer: bool) -> None:
    assert is_json(text_of("a.txt", content.encode())) == answer
