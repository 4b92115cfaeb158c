"""Whether the first row holds names."""

import pytest

from backend.data.reading.header import has_header

TEXTS = [f"a rather long text about film number {i}" for i in range(12)]


def table(*first: str, labels: str = "01", **_: object) -> list[list[str]]:
    return [list(first), *([text, labels[i % len(labels)]] for i, text in enumerate(TEXTS))]


@pytest.mark.parametrize(
    ("first", "labels"),
    [
        (("text", "label"), "01"),
        (("tweet_text", "airline_sentiment"), "pn"),
        (("What the customer wrote", "stars"), "12345"),
        (("#1 String", "Quality"), "01"),
        (("0", "1"), "01"),  # as pandas names columns without names
        (("Texte", "Klasse"), "ab"),
    ],
)
def test_names(first: tuple[str, str], labels: str) -> None:
    assert has_header(table(*first, labels=labels)) == (True, True)


@pytest.mark.parametrize(
    ("first", "labels"),
    [
        (("this film stayed very clumsy and ugly", "0"), "01"),
        (("this film stayed very clumsy and ugly", "pos"), ["pos", "neg"]),
        (("great", "pos"), ["pos", "neg"]),  # a short first text does not make its row one of names
        (("this film stayed very clumsy and ugly", "3"), "1234"),
    ],
)
def test_rows(first: tuple[str, str], labels: str) -> None:
    assert has_header(table(*first, labels=labels)) == (False, True)


def test_an_index_of_pandas_has_no_name() -> None:
    rows = [["", "0", "1"], *([str(i), text, str(i % 2)] for i, text in enumerate(TEXTS))]
    assert has_header(rows) == (True, True)


def test_cola_and_ag_news() -> None:
    cola = [["gj04", str(i % 2), "*" * (1 - i % 2), text] for i, text in enumerate(TEXTS)]
    news = [[str(1 + i % 4), f"Title {i}", text] for i, text in enumerate(TEXTS)]
    assert has_header(cola) == has_header(news) == (False, True)


def test_where_nothing_tells_the_first_row_holds_names_and_that_is_no_sure_thing() -> None:
    assert has_header([["good film", "x"], ["bad film", "y"], ["no film", "z"]]) == (True, False)
    contradicting = [["a label that nobody has seen", "7 stars"], *table("text", labels="ab")[1:]]
    assert has_header(contradicting) == (True, False)


def test_names_that_are_expected_are_found() -> None:
    rows = [["this film stayed very clumsy", "0"], *table("text")[1:]]
    assert has_header(rows, frozenset({"0"})) == (True, True)
    assert has_header(rows, frozenset({"other"})) == (False, True)
