"""Measurements in the background: a head is a question, one run goes after another, each can be stopped."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from backend.analysis import head_effects
from backend.analysis.head_effects import Effect, Effects
from backend.analysis.head_effects_queue import Measurement, Measuring
from backend.base.errors import UserError
from backend.spec.presets import head_pruning
from backend.spec.run import RunSpec

SPEC = RunSpec(defense=head_pruning())


class Desk:
    """Answers questions one after another, but no more of them than `allowed`."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.asked: list[tuple] = []
        self._pool = ThreadPoolExecutor(max_workers=1)

    def hand(self, function: Callable, *arguments: object) -> Future:
        return self._pool.submit(self._answer, *arguments)

    def _answer(self, run: str, spec: RunSpec, pruned: list, head: tuple) -> None:
        self.allowed.acquire()
        if run == "broken":
            raise UserError("Its rows are gone.")
        self.asked.append((run, head))

    def let(self, number: int) -> None:
        self.allowed.release(number)


def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not come so far")


@pytest.fixture
def desk(excise_home) -> Desk:
    return Desk()


def state(measuring: Measuring, run: str) -> Measurement:
    found = measuring.of(run)
    assert found is not None
    return found


def test_every_head_is_one_question_and_the_pace_tells_the_time_left(desk: Desk) -> None:
    measuring = Measuring(desk.hand)
    assert measuring.of("one") is None
    measuring.start("one", SPEC, 2, 2, [])
    measuring.start("one", SPEC, 2, 2, [])
    assert not state(measuring, "one").over and state(measuring, "one").seconds_left is None
    desk.let(2)
    until(lambda: state(measuring, "one").done == 2)
    assert state(measuring, "one").seconds_left is not None
    desk.let(2)
    until(lambda: state(measuring, "one").over)
    assert desk.asked == [("one", head) for head in ((1, 0), (1, 1), (0, 0), (0, 1))], "asked once each"
    assert state(measuring, "one").error is None and state(measuring, "one").done == 4


def test_it_stops_after_a_head_and_goes_on_with_what_is_left(desk: Desk) -> None:
    measuring = Measuring(desk.hand)
    measuring.start("one", SPEC, 2, 2, [])
    until(lambda: not state(measuring, "one").waiting)
    measuring.stop("one")
    desk.let(1)
    until(lambda: state(measuring, "one").over)
    assert len(desk.asked) == 1
    file = head_effects.file_of("one")
    file.parent.mkdir(parents=True)
    known = {"1.0": Effect(acc=1.0)}
    file.write_text(Effects(rows=1, triggered_rows=0, before=Effect(acc=1.0), gated=known).model_dump_json())
    measuring.start("one", SPEC, 2, 2, [])
    desk.let(3)
    until(lambda: state(measuring, "one").over)
    assert [head for _, head in desk.asked] == [(1, 0), (1, 1), (0, 0), (0, 1)]


def test_another_run_waits_and_can_leave_the_queue(desk: Desk) -> None:
    measuring = Measuring(desk.hand)
    measuring.start("one", SPEC, 1, 2, [])
    until(lambda: not state(measuring, "one").waiting)
    measuring.start("two", SPEC, 1, 1, [])
    measuring.start("three", SPEC, 1, 1, [])
    assert state(measuring, "two").waiting and state(measuring, "three").waiting
    measuring.stop("three")
    assert state(measuring, "three").over, "at once: it had not begun"
    desk.let(3)
    until(lambda: state(measuring, "one").over and state(measuring, "two").over)
    assert [run for run, _ in desk.asked] == ["one", "one", "two"]


def test_what_goes_wrong_is_kept_to_be_told(desk: Desk) -> None:
    measuring = Measuring(desk.hand)
    measuring.start("broken", SPEC, 1, 2, [])
    desk.let(1)
    until(lambda: state(measuring, "broken").over)
    assert state(measuring, "broken").error == "Its rows are gone."
