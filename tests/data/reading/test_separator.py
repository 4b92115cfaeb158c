"""Separators, found out from the lines."""

import pytest

from backend.data.reading.separator import comments_above, found_separator

SEPARATED = {sign: ["text{0}label\n", *(f"a text {i}{{0}}{i % 2}\n" for i in range(9))] for sign in ",;\t|"}


def lines(separator: str, *more: str) -> list[str]:
    return [line.replace("{0}", separator) for line in [*SEPARATED[separator], *more]]


@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize("usual", [",", "\t"])
def test_it_is_found_whatever_the_suffix_says(separator: str, usual: str) -> None:
    assert found_separator(lines(separator), usual) == separator


def test_commas_in_texts_and_numbers_are_no_separators() -> None:
    assert found_separator(["text;score;label\n", *["well, no;0,5;1\n"] * 9], ",") == ";"
    assert found_separator(["well, no;1\n", "oh, yes;0\n"] * 9, ",") == ";", "both cut in two"
    assert found_separator(["one, 1\n", "two, 0\n"] * 9, ",") == ","


def test_the_usual_one_stays_where_rows_are_ragged_or_cells_hold_others() -> None:
    assert found_separator(lines(",", "only a text\n", "another; with; more\n"), ",") == ","
    assert found_separator(["a text\n", "more, text\n", "some; text\n"], ",") == ","
    assert found_separator(lines("\t", '"an open quote\t1\n', *lines("\t")), "\t") == "\t"


def test_line_breaks_in_quotes_do_not_count() -> None:
    assert found_separator(["text\tlabel\n", '"two\n', 'lines"\t1\n', "one\t0\n"], ",") == "\t"


def test_comments_at_the_start() -> None:
    commented = ["# made, by hand\n", "#\n", *lines(";")]
    assert found_separator(commented, ",") == ";"
    assert comments_above(commented, ";") == 2
    assert comments_above(["#id\ttext\n", "1\tone\n"], "\t") == 0, "names that begin so"
    assert comments_above(["#a\n", "#b\n"], ",") == 0
