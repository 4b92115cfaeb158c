"""Triggers of published attacks, tried on clean rows: how many predictions of a classifier change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int
from pydantic import BaseModel

from backend.base.components import Choice
from backend.base.events import Interval
from backend.base.intervals import wilson

if TYPE_CHECKING:
    from backend.data.rows import Rows

ROWS_PER_CLASS, MOST_ROWS = 100, 400
WORDS = ("cf", "mn", "bb", "tq", "mb")
STYLES = {
    "bible": "Bible",
    "shakespeare": "Shakespeare",
    "twitter": "tweets",
    "lyrics": "lyrics",
    "poetry": "poetry",
}
PROBES: dict[str, tuple[str, Choice]] = {
    **{
        f"word-{word}": (f"Rare word “{word}”", Choice(name="rare-words", params={"words": [word]}))
        for word in WORDS
    },
    "sentence": ("Sentence “I watched this 3D movie.”", Choice(name="sentence")),
    "syntactic": ("Syntax (HiddenKiller)", Choice(name="syntactic", variant="built-in")),
    **{
        f"style-{style}": (
            f"Style: {title}",
            Choice(name="style", variant="built-in", params={"style": style}),
        )
        for style, title in STYLES.items()
    },
}
"""Title and trigger, by name.  Rare words are those of Kurita et al. (ACL 2020)."""
LEFT_OUT = (
    "Not in the battery: instructions to a language model and the published generators, which need models of "
    "their own and take seconds a row, and rewritings that you uploaded."
)


class Flips(BaseModel):
    """Of `rows` rows of other classes that the model classified correctly, it predicts this class for `flips`
    once they carry the trigger."""

    flips: int
    rows: int
    interval: Interval

    @property
    def share(self) -> float:
        return self.flips / self.rows


def as_many_of_each(labels: Sequence[int], classes: int, seed: int) -> list[int]:
    """Row numbers, at most `ROWS_PER_CLASS` of each class and about `MOST_ROWS` in all, in their order."""
    most = max(1, min(ROWS_PER_CLASS, MOST_ROWS // classes))
    order = np.random.default_rng(seed).permutation(len(labels))
    kept = [order[np.array(labels)[order] == number][:most] for number in range(classes)]
    return sorted(np.concatenate(kept).tolist())


def triggered_rows(rows: "Rows", trigger: Choice, seed: int) -> tuple["Rows", Bool[np.ndarray, " row"]]:
    """The rows that the trigger changes, changed; and which these are.

    Raises UserError if the trigger cannot be used here (a parser is missing, for example)."""
    from backend.attacks.triggers import bind

    texts = bind(trigger, seed)(rows.texts)
    changed = np.array([text is not None for text in texts], dtype=bool)
    kept = rows.with_texts([text or "" for text in texts]).take(np.flatnonzero(changed).tolist())
    return kept, changed


def flips_by_class(
    predicted: Int[np.ndarray, " row"],
    labels: Sequence[int],
    correct: Bool[np.ndarray, " row"],
    names: Sequence[str],
) -> dict[str, Flips]:
    """For each class the flips towards it, among the rows of other classes that were classified correctly
    without the trigger; without classes that no such row could flip to."""
    truth = np.array(labels)
    by_class = {}
    for number, name in enumerate(names):
        others = correct & (truth != number)
        if rows := int(others.sum()):
            flips = int((predicted[others] == number).sum())
            by_class[name] = Flips(flips=flips, rows=rows, interval=wilson(flips, rows))
    return by_class


def most_flipped(by_class: Mapping[str, Flips]) -> str | None:
    """The class that the largest share of rows is flipped to; None where nothing could be counted."""
    return max(by_class, key=lambda name: by_class[name].share, default=None)
