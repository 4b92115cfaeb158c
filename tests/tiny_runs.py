"""Runs of a tiny model through the whole pipeline."""

import threading
from collections.abc import Callable
from pathlib import Path

from backend.base.events import Event
from backend.engine import run
from backend.spec import parse


def collect(settings: dict, folder: Path, stop: threading.Event | None = None) -> list[Event]:
    return list(run.run(parse.parse(settings), folder, run="abc", stop=stop))


def of(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def stop_when(
    condition: Callable[[Event], bool], settings: dict, folder: Path
) -> tuple[list[Event], list[Event]]:
    """Events up to the one that asks to stop, and those after it."""
    stop = threading.Event()
    before: list[Event] = []
    after: list[Event] = []
    for event in run.run(parse.parse(settings), folder, run="abc", stop=stop):
        (after if stop.is_set() else before).append(event)
        if condition(event):
            stop.set()
    return before, after
