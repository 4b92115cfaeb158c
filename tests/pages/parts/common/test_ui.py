"""Small things of the pages, seen as Streamlit draws them."""

from streamlit.testing.v1 import AppTest


def show() -> None:
    import streamlit as st

    from pages.parts.common.ui import change

    for before, after in ((0.5, 0.4), (0.5, 0.6), (0.5, 0.50001), (None, 0.5)):
        st.metric("LFR", after, **change(before, after, "inverse"))


def test_what_did_not_move_has_neither_colour_nor_arrow() -> None:
    drawn = [metric.proto for metric in AppTest.from_function(show).run().metric]
    looks = [(one.delta.replace("\u00a0", " "), one.color, one.direction) for one in drawn]
    kinds = type(drawn[0])
    assert looks == [
        ("-10.0 points", kinds.GREEN, kinds.DOWN),
        ("+10.0 points", kinds.RED, kinds.UP),
        ("+0.0 points", kinds.GRAY, kinds.NONE),
        ("", kinds.GRAY, kinds.NONE),
    ]
