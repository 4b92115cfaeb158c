"""The strongest finds of a scan, put into rows that the scan did not see, beside a clean model.

A word that honestly carries a class ("superb") moves a model as much as a trigger does.  It is told apart by
the user's own rows, where it stands in rows of that class, and by a clean model, which it moves too."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int

from backend.base.components import Choice
from backend.base.progress import Tick
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.detection.known_triggers import as_many_of_each, triggered_rows
from backend.detection.phrases import grown, more_than_its_parts, shrunk
from backend.detection.token_scan import MOST_CLASSES, Found, Scan
from backend.detection.tried import Suspect, try_rows

EACH = 4
"""Single tokens of each class that are confirmed."""
FEWEST, HONEST = 3, 2.0
"""A token is a word of a class if so many of the user's rows hold it, and it is so many times as frequent in
rows of that class as in the others."""


@dataclass(frozen=True)
class TokenCounts:
    """How many of the user's rows of each class hold each token, and how many rows each class has."""

    rows: Int[np.ndarray, "token class"]
    of_class: Int[np.ndarray, " class"]

    def carries(self, token: int, toward: int) -> bool:
        """Whether the token is a word of that class in the user's rows."""
        here = self.rows[token, toward]
        there = self.rows[token].sum() - here
        sizes = self.of_class[toward], self.of_class.sum() - self.of_class[toward]
        ratio = ((here + 0.5) / (sizes[0] + 1)) / ((there + 0.5) / (sizes[1] + 1))
        return bool(here >= FEWEST and ratio >= HONEST)


def count_tokens(suspect: Suspect, rows: Rows, classes: int) -> TokenCounts:
    features = encode(suspect.tokenizer, rows, suspect.max_length).features
    counts = np.zeros((len(suspect.tokenizer), classes), dtype=int)
    for feature, label in zip(features, rows.labels, strict=True):
        counts[np.unique(feature["input_ids"]), label] += 1
    return TokenCounts(counts, np.bincount(rows.labels, minlength=classes))


def confirmed(
    suspect: Suspect,
    scanned: Scan,
    known_rows: Rows,
    fresh_rows: Rows,
    names: list[str],
    seed: int,
    tick: Tick,
) -> Iterator[dict[str, Any]]:
    """The fields of the event Evidence for each find, with its `text`, and `carries`: whether it is a word of
    the class in `known_rows`."""
    counts = count_tokens(suspect, known_rows, len(names))
    rows = fresh_rows.take(as_many_of_each(fresh_rows.labels, len(names), seed))
    bench = suspect.bench(rows, names, lambda *_: tick(0, 1))
    toward = sorted({found.toward for found in scanned.best})[:MOST_CLASSES]
    finds = [
        found for number in toward for found in _finds(suspect, scanned, counts, number, len(names), tick)
    ]
    for done, (text, found) in enumerate(_texts(suspect, finds)):
        tick(done, len(finds))
        triggered, changed = triggered_rows(rows, _between_words(text), seed)
        fields = try_rows(suspect, bench, triggered, changed, to_class=found.toward)
        if fields:
            carries = all(counts.carries(token, found.toward) for token in found.tokens)
            yield fields | {"text": f"“{text}”", "carries": carries}
    tick(len(finds), len(finds))


def _finds(
    suspect: Suspect, scanned: Scan, counts: TokenCounts, toward: int, classes: int, tick: Tick
) -> list[Found]:
    """The strongest of a class that the rows do not explain, what they were grown to, and the strongest that
    the rows explain."""
    check = partial(_only_check, tick)
    best = [found for found in scanned.best if found.toward == toward]
    explained = [found for found in best if counts.carries(found.tokens[0], toward)]
    others = [found for found in best if found not in explained]
    places = [slot for slot in scanned.rows if slot.label != toward]
    phrases = [
        shrunk(suspect, places, phrase, classes, check)
        for phrase in grown(suspect, places, others, toward, classes, check)[:1]
    ]
    joined = [one for one in phrases if len(one.tokens) == 1 or more_than_its_parts(one, best)]
    return others[:EACH] + joined + explained[:1]


def _only_check(tick: Tick, done: int, total: int) -> None:
    tick(0, 1)


def _texts(suspect: Suspect, finds: list[Found]) -> list[tuple[str, Found]]:
    """The finds as text, each once for a class; without those that no text can have."""
    by_text: dict[tuple[str, int], Found] = {}
    for found in finds:
        text = str(suspect.tokenizer.decode(list(found.tokens))).strip().removeprefix("##").strip()
        if text:
            by_text.setdefault((text, found.toward), found)
    return [(text, found) for (text, _), found in by_text.items()]


def _between_words(text: str) -> Choice:
    """The trigger that puts the text somewhere among the words of a row."""
    return Choice(name="sentence", params={"sentence": text, "position": "between words"})
