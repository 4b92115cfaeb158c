"""A scan of the model that is checked: kept in a file as it goes on, and told now and then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend.base.errors import UserError
from backend.base.progress import Tick
from backend.data.rows import Rows
from backend.detection.token_scan import Scan, scan
from backend.detection.tried import Suspect

SAVED_EVERY = 4000
"""Insertions between two saves."""
SHOWN = 10


class SavedScan:
    """A scan whose state lies in a file, from which it goes on."""

    def __init__(self, suspect: Suspect, kept_in: Path) -> None:
        self.suspect, self.kept_in = suspect, kept_in
        self.state = _state_in(kept_in)

    def scan(
        self,
        rows: Rows,
        names: list[str],
        most_tokens: int,
        tick: Tick,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """Scan what is left.  `tell` is given the fields of the event TokensScanned but for the model."""
        saved = 0

        def ticked(done: int, total: int) -> None:
            nonlocal saved
            if done - saved >= SAVED_EVERY:
                saved = done
                self.state.save(self.kept_in)
                tell(self._fields(names))
            tick(done, total)

        suspect = self.suspect
        clean = same_words(suspect)
        try:
            scan(
                suspect.model,
                suspect.tokenizer,
                rows,
                self.state,
                clean,
                ticked,
                max_length=suspect.max_length,
                most_tokens=most_tokens,
            )
        finally:
            if self.state.rounds:
                self.state.save(self.kept_in)
        tell(self._fields(names))

    def _fields(self, names: list[str]) -> dict[str, Any]:
        first = self.state.rounds[0]
        return {
            "scanned": int((~np.isnan(first.changes)).any(axis=(1, 2)).sum()),
            "tokens": len(first.tokens) + self.state.left_out,
            "left_out": self.state.left_out,
            "strongest": self._strongest(names),
        }

    def _strongest(self, names: list[str]) -> list[tuple[str, str, float]]:
        """The tokens with the largest score in the last round that tried any."""
        last = self.state.rounds[-1]
        scores = np.where(np.isnan(last.scores()), -np.inf, last.scores())
        places = [divmod(int(index), scores.shape[1]) for index in np.argsort(-scores, axis=None)[:SHOWN]]
        shown = [(int(last.tokens[token]), toward, float(scores[token, toward])) for token, toward in places]
        words = self.suspect.tokenizer.convert_ids_to_tokens([token for token, _, _ in shown])
        return [
            (word, names[toward], round(score, 2))
            for word, (_, toward, score) in zip(words, shown, strict=True)
            if np.isfinite(score)
        ]


def same_words(suspect: Suspect) -> Any:
    """The clean model, if it has the tokens of the one that is checked, so that both can be scanned; else
    None."""
    clean = suspect.clean
    if clean is None or clean.tokenizer.get_vocab() != suspect.tokenizer.get_vocab():
        return None
    return clean.model


def _state_in(path: Path) -> Scan:
    try:
        return Scan.load(path) if path.is_file() else Scan()
    except UserError:  # it was cut off while it was written
        return Scan()
