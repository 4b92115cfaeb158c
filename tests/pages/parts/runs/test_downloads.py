"""Downloads: what a run that is over offers, and the compact model made on request."""

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from backend.analysis.compact import CompactMeasurement, read_measurement
from backend.base.errors import UserError
from backend.base.events import RunFinished
from backend.base.warm_process import warm_process
from backend.runs.leases import finish
from backend.runs.store import Store
from tests.analysis.test_compact import PRUNED, SPEC
from tests.analysis.test_compact import defended as left_behind
from tests.pages.conftest import numbers, words
from tests.pages.played import Play, blind_spec, defended, full_spec, planted

MAKE = "Make the compact model"


@pytest.fixture
def warm() -> Iterator[None]:
    """A warm process over this test's own state folder."""
    warm_process().close()
    yield
    warm_process().close()


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.get("download_button")]


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def test_an_attack_alone_offers_report_and_numbers(visit, store):
    page = visit("attack", run=planted(store))
    assert {"Report (HTML)", "Results (JSON)", "Metrics (CSV)"} <= set(labels(page))
    assert not {"Head list (JSON)", "Zeroed model (zip)"} & set(labels(page))


def test_a_failed_run_offers_what_there_is(visit, store):
    play = Play(store, full_spec())
    play.prepare()
    page = visit("defend", run=play.finish("failed", "Memory ran out."))
    assert "Report (HTML)" in labels(page) and "Zeroed model (zip)" not in labels(page)


def tiny_run(store: Store) -> str:
    """A run whose pruned heads are those of the tiny defended model that it left."""
    play = Play(store, SPEC)
    finish(store, play.lease, RunFinished(run=play.run, state="done", pruned_heads=PRUNED))
    left_behind(play.run)
    return play.run


def test_the_compact_model_is_made_beside_the_page_and_shown_with_its_gains(visit, store, warm):
    run = tiny_run(store)
    page = visit("defend", run=run)
    assert "The 5 pruned heads are removed from the weights" in words(page)
    assert "Compact model (zip)" not in labels(page) and read_measurement(run) is None
    press(page, MAKE)
    found = read_measurement(run)
    assert found is not None
    assert "Compact model (zip)" in labels(page)
    assert [label for label, _ in numbers(page)] == ["Weights on disk", "Speed"]
    assert "3 test rows in padded batches" in words(page)
    assert any("from excise_compact import load" in code.value for code in page.code)
    # It is there on the next visit, with nothing to wait for.
    page = visit("defend", run=run)
    assert "Compact model (zip)" in labels(page)
    assert MAKE not in [button.label for button in page.button]


def test_what_stands_in_the_way_is_told(visit, store, monkeypatch: pytest.MonkeyPatch):
    def refuse(doing: str, *asked: object) -> CompactMeasurement:
        raise UserError("The disk is full. Free some space.")

    monkeypatch.setattr("pages.parts.runs.downloads.ask", refuse)
    page = press(visit("defend", run=defended(store)), MAKE)
    assert "The disk is full. Free some space." in words(page)
    assert "Compact model (zip)" not in labels(page)


def test_where_no_head_went_there_is_nothing_to_make(visit, store):
    play = Play(store, blind_spec())
    play.prepare()
    play.prune(steps=1)  # its one step is given back
    page = visit("defend", run=play.finish())
    assert "No head was pruned, so there is nothing to make smaller" in words(page)
    assert MAKE not in [button.label for button in page.button]
