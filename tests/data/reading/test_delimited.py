"""Text files of rows: what is made of their lines, and what is refused."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.base.errors import UserError
from backend.data.reading import bounds
from backend.data.reading.delimited import read_delimited
from backend.data.reading.table import WHOLE, How, Reading, Table
from backend.data.reading.text import text_of

ROWS = "".join(f"a text number {i} about films,{i % 2}\n" for i in range(12))
GOOD = "text,label\n" + ROWS


def read(content: str | bytes, suffix: str = ".csv", how: How | None = None) -> Reading:
    raw = content if isinstance(content, bytes) else content.encode()
    return read_delimited(text_of(f"a{suffix}", raw), suffix, how or How())


def table(content: str | bytes, suffix: str = ".csv", how: How | None = None) -> Table:
    return read(content, suffix, how).tables[WHOLE]


def refused(content: str | bytes, suffix: str = ".csv", how: How | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read(content, suffix, how)
    return str(caught.value)


PLAIN = table(GOOD)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (GOOD.replace("\n", "\r\n"), ".csv"),
        (GOOD.replace("\n", "\r"), ".csv"),
        (GOOD.replace(",", "\t").replace("\n", "\r"), ".tsv"),
        (GOOD.replace(",", "\t"), ".txt"),
        (GOOD.replace(",", "\t"), ".csv"),
        (GOOD, ".tsv"),
        (GOOD.replace(",", ";"), ".csv"),
        (GOOD.replace(",", "|"), ".txt"),
        ("sep=;\n" + GOOD.replace(",", ";"), ".csv"),
        ("\n\n" + GOOD.replace("\n", "\n\n"), ".csv"),
        ("# made by hand\n# with care\n" + GOOD, ".csv"),
        (GOOD.encode("utf-16"), ".csv"),
        (GOOD.encode("utf-8-sig"), ".csv"),
        (GOOD.replace(",1\n", ",1,,\n"), ".csv"),  # cells beyond the columns, but nothing in them
    ],
)
def test_the_same_rows_written_otherwise(content: str | bytes, suffix: str) -> None:
    assert table(content, suffix) == PLAIN


def test_the_reading_is_said_with_how_to_say_otherwise() -> None:
    assert read(GOOD).notes == [
        "a.csv is read as comma-separated text in UTF-8, with column names in the first line (text, label)."
    ]
    (note,) = read(ROWS.replace(",", ";").encode("cp1252").replace(b"a text", b"caf\xe9")).notes
    assert "semicolon-separated text in cp1252 (Western)" in note
    assert "without column names: the first line is a row" in note and "column 1, column 2" in note
    assert "set data.separator, data.encoding or data.header" in note
    (_, comment) = read("# by hand\n" + GOOD).notes
    assert "1\u00a0line of comment at the start left out (“# by hand”)" in comment


def test_no_row_is_taken_for_names() -> None:
    assert table(ROWS) == {"column 1": PLAIN["text"], "column 2": PLAIN["label"]}
    quoted = "".join(f'"{1 + i % 4}","Title {i}","news number {i} of the day"\n' for i in range(12))
    assert list(table(quoted)) == ["column 1", "column 2", "column 3"]
    assert table(quoted)["column 3"][0] == "news number 0 of the day"


def test_what_the_user_says_counts() -> None:
    assert list(table(GOOD, how=How(header=False))) == ["column 1", "column 2"]
    assert list(table(ROWS, how=How(header=True))) == ["a text number 0 about films", "0"]
    assert list(table(GOOD, how=How(separator=";"))) == ["text,label"]
    doubtful = "good film,x\nbad film,y\nno film,z\n"
    assert "if that line is a row, set data.header to no" in read(doubtful).notes[0]
    assert list(table(ROWS, how=How(names=frozenset({"0"})))) == ["a text number 0 about films", "0"]


def test_columns_without_a_name_or_with_one_that_is_taken() -> None:
    indexed = pd.DataFrame({"text": PLAIN["text"], "label": PLAIN["label"]}).to_csv()
    assert list(table(indexed)) == ["Unnamed: 0", "text", "label"]
    twice = read("text,label,text,text.1\n" + ROWS.replace("\n", ",b,c\n"))
    assert list(twice.tables[WHOLE]) == ["text", "label", "text.2", "text.1"]
    assert "called text.2" in twice.notes[1]
    assert "two columns with the same name" in refused("text\ttext\none\ttwo\n", ".tsv")


def test_comments_above_rows_in_quotes() -> None:
    quoted = '# by hand\ntext\tlabel\n"two\nlines"\t1\n"he said ""no"""\t0\n'
    assert table(quoted, ".tsv") == {"text": ["two\nlines", 'he said "no"'], "label": ["1", "0"]}


def test_short_rows_are_kept_and_said() -> None:
    short = read(GOOD + "only a text\n" + ROWS)
    assert short.tables[WHOLE]["label"][12] is None and len(short.tables[WHOLE]["text"]) == 25
    assert "1\u00a0line with fewer cells than the first line (14)" in short.notes[1]


def test_cells_are_unchanged() -> None:
    odd = 'text,label\n"two\nlines, ""quoted""",NA\n nul\0 ,null\n"quoted" and more,\n'
    assert table(odd) == {
        "text": ['two\nlines, "quoted"', " nul\0 ", "quoted and more"],
        "label": ["NA", "null", None],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "one, two,1\n", "line 14: 3 cells, but the first line has 2"),
        (GOOD + '"never closed,1\n' + ROWS, "line 14: a quote opens a cell there and does not close"),
        (GOOD + '"never closed,1\n' + ROWS + 'ends "here" ok,0\n', "line 14: a quote opens"),
        ("text;label\n" + ROWS.replace(",", ";") + "a;b;c\n", "texts that contain semicolons"),
        ("\n\n", "is empty"),
    ],
)
def test_no_line_is_lost_in_silence(content: str, message: str) -> None:
    assert message in refused(content)


def test_a_quote_that_opens_over_a_whole_file_is_no_long_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.data.reading.delimited.MOST_CHARACTERS", 300)
    assert "line 2: a quote opens" in refused('text,label\n"never closed,1\n' + ROWS * 4)


class TestBounds:
    def test_columns(self) -> None:
        wide = ",".join(f"c{i}" for i in range(20_000)) + "\n"
        assert "20,000 columns or more; at most 1,000" in refused(wide * 2)
        assert "at most 1,000" in refused(wide.replace(",", "\t"), ".tsv")

    def test_rows_and_cells(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "MOST_ROWS", 11)
        assert "more than 11 rows" in refused(GOOD)
        monkeypatch.setattr(bounds, "MOST_ROWS", 12)
        monkeypatch.setattr(bounds, "MOST_CELLS", 23)
        assert "more than 23 cells" in refused(GOOD)
        monkeypatch.setattr(bounds, "MOST_CELLS", 24)
        assert table(GOOD) == PLAIN

    @pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
    def test_cells_as_long_as_a_text_and_not_longer(self, suffix: str, separator: str) -> None:
        content = f"text{separator}label\n{{}}{separator}1\n"
        assert len(table(content.format("x" * bounds.MOST_CHARACTERS), suffix)["text"][0]) == 1_000_000
        long = refused(content.format("x" * 1_000_001), suffix)
        assert "line 2" in long and "more than 1,000,000 characters" in long


@given(
    st.lists(st.tuples(st.text(), st.text()), min_size=1), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
)
def test_what_a_writer_wrote_comes_back(rows: list[tuple[str, str]], quoting: int) -> None:
    rows = [tuple(cell.encode("utf-8", "replace").decode() for cell in row) for row in rows]
    out = io.StringIO()
    csv.writer(out, quoting=quoting).writerows([("text", "label"), *rows])
    back = table(out.getvalue(), how=How(separator=",", encoding="utf-8", header=True))
    assert [(a or "", b or "") for a, b in zip(*back.values(), strict=True)] == rows
