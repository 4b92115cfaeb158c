"""The strongest finds of a scan, put into rows that the scan did not see, beside a clean model."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backend.attacks.generators.insertion import draw_for, insert, word_gaps
from backend.base.progress import Tick
from backend.data.rows import Rows
from backend.detection.known_triggers import as_many_of_each
from backend.detection.phrases import grown, shrunk
from backend.detection.token_scan import Found, Scan
from backend.detection.tried import Suspect, try_rows

EACH = 4
"""Finds of each class that are confirmed."""
WITHIN = 80
"""Words of a row among which a find is inserted, so that long rows keep it when they are cut."""
MOST_CLASSES = 6


def confirmed(
    suspect: Suspect, scanned: Scan, rows: Rows, names: list[str], seed: int, tick: Tick
) -> Iterator[dict[str, Any]]:
    """The fields of the event Evidence for each find that takes rows to a class, with its `text`."""
    classes = [
        number for number in range(len(names)) if any(found.toward == number for found in scanned.best)
    ]
    finds = [
        found
        for toward in classes[:MOST_CLASSES]
        for found in _finds(suspect, scanned, toward, len(names), tick)
    ]
    bench_rows = rows.take(as_many_of_each(rows.labels, len(names), seed))
    bench = suspect.bench(bench_rows, names, lambda *_: tick(0, len(finds)))
    for done, (text, found) in enumerate(_texts(suspect, finds)):
        tick(done, len(finds))
        texts = [_inserted(row, text, seed) for row in bench_rows.texts]
        changed = np.array([new != old for new, old in zip(texts, bench_rows.texts, strict=True)])
        triggered = bench_rows.with_texts(texts).take(np.flatnonzero(changed).tolist())
        fields = try_rows(suspect, bench, triggered, changed, lambda *_: tick(done, len(finds)), found.toward)
        if fields:
            yield fields | {"text": f"“{text}”"}
    tick(len(finds), len(finds))


def _finds(suspect: Suspect, scanned: Scan, toward: int, classes: int, tick: Tick) -> list[Found]:
    """The strongest of a class: single tokens, and what they were grown to."""

    def check(*_: int) -> None:
        tick(0, 1)

    places = [slot for slot in scanned.rows if slot.label != toward]
    singles = [found for found in scanned.best if found.toward == toward][:EACH]
    phrases = grown(suspect, places, scanned.best, toward, classes, check)[:1]
    return singles + [shrunk(suspect, places, found, classes, check) for found in phrases]


def _texts(suspect: Suspect, finds: list[Found]) -> list[tuple[str, Found]]:
    """The finds as text, each once; without those that no text can have."""
    by_text: dict[str, Found] = {}
    for found in finds:
        text = str(suspect.tokenizer.decode(list(found.tokens))).strip()
        text = text.removeprefix("##").strip()
        if text:
            by_text.setdefault(text, found)
    return list(by_text.items())


def _inserted(row: str, text: str, seed: int) -> str:
    gaps = word_gaps(row, WITHIN)
    return insert(row, draw_for(row, seed).choice(gaps), text) if gaps else row
