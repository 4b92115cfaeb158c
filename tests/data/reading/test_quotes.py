"""Quotes in tab-separated files: around cells, or characters of the texts."""

import csv
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.base.errors import UserError
from backend.data.reading.quotes import plain_lines, quoted_lines, quotes_stand_around_cells
from backend.data.reading.text import Text, text_of

HEADER = "sentence\tlabel\n"


def text(*lines: str, header: str = HEADER) -> Text:
    return text_of("a.tsv", (header + "".join(lines)).encode())


@pytest.mark.parametrize(
    "lines",
    [
        ['"a text\n', 'on two lines"\t0\n', "another\t1\n"],
        ['"he said ""no"""\t0\n', "another\t1\n", '"needless"\t1\n'],
        ['"all of them"\t0\n', '"are in quotes"\t1\n'],
        ['"with a \t tab"\t0\n', "another\t1\n"],
    ],
)
def test_as_spreadsheets_write(lines: list[str]) -> None:
    assert quotes_stand_around_cells(text(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        ["no quote\t0\n", "at all\t1\n"],
        ['"no" , he said\t0\n', "another\t1\n"],
        ['"never closed\t0\n', "another\t1\n"],
        ['"one of them"\t0\n', "another\t1\n"],
        ['"one of them"\t0\n', 'a 3" disk\t1\n', '"he said ""no"""\t1\n'],
        ['"never closed\t0\n', "no label\n"],
        ["a lone \r carriage return\t0\n", '"and a quote\t1\n'],
    ],
)
def test_as_published_data_write(lines: list[str]) -> None:
    assert not quotes_stand_around_cells(text(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        ['"a text\n', 'of "two" lines"\t0\n'],
        ['"a text\n', 'of two lines"\t0\t1\n', '"and\n', 'more"\t1\n'],
    ],
)
def test_what_is_neither_is_refused_with_its_line(lines: list[str]) -> None:
    with pytest.raises(UserError, match=r"a.tsv, line 2 .* part of a text over several lines"):
        quotes_stand_around_cells(text(*lines))


CELLS = st.lists(
    st.tuples(st.text(st.sampled_from('ab"\t\n '), min_size=1), st.sampled_from("01")), min_size=3
)


@given(CELLS, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_a_writer_wrote_is_read(rows: list[tuple[str, str]], how: int) -> None:
    assume(how == csv.QUOTE_ALL or not any("\t" in cell and "\n" in cell for cell, _ in rows))
    out = io.StringIO()
    csv.writer(out, delimiter="\t", quoting=how, lineterminator="\n").writerows([("text", "label"), *rows])
    written = text(out.getvalue(), header="")
    if quotes_stand_around_cells(written):
        read = [tuple(cells) for _, cells in quoted_lines(written)][1:]
        assert read == rows
    else:
        assert [tuple(cells) for _, cells in plain_lines(written)][1:] == rows
