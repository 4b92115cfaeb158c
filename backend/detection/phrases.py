"""Words and phrases grown from the tokens that move a model most, and shrunk to what they need.

A beam search: each of the best is continued with other good tokens, before and after, as long as it gains."""

import numpy as np

from backend.base.progress import Tick, no_tick
from backend.detection.insertions import Slot
from backend.detection.token_scan import Found, change
from backend.detection.tried import Suspect

BEAM = 6
CONTINUATIONS = 80
"""Tokens that the best are continued with: the best of the scan."""
LONGEST = 6
"""Pieces; a longer sentence shows in a part of it."""
GAIN = 0.5
"""What another piece must add to the score, in units of log-odds."""


def grown(
    suspect: Suspect, places: list[Slot], best: list[Found], toward: int, classes: int, tick: Tick = no_tick
) -> list[Found]:
    """The strongest tokens and phrases toward a class, the strongest first."""
    tokens = [found.tokens[0] for found in best if found.toward == toward][:CONTINUATIONS]
    singles = [found for found in best if found.toward == toward][:BEAM]
    beam, kept = singles, list(singles)
    for _ in range(LONGEST - 1):
        candidates = list(
            dict.fromkeys(
                sequence
                for found in beam
                for token in tokens
                for sequence in ((*found.tokens, token), (token, *found.tokens))
            )
        )
        if not candidates:
            break
        scores = change(suspect, places, np.array(candidates), classes, tick)[:, toward]
        order = np.argsort(-scores)[:BEAM]
        longer = [Found(candidates[index], toward, float(scores[index])) for index in order]
        if longer[0].score < beam[0].score + GAIN:
            break
        beam = [found for found in longer if found.score >= kept[0].score - GAIN] or longer[:1]
        kept += beam
    return sorted(kept, key=lambda found: -found.score)


def shrunk(suspect: Suspect, places: list[Slot], found: Found, classes: int, tick: Tick = no_tick) -> Found:
    """The phrase without the pieces that it does not need."""
    while len(found.tokens) > 1:
        shorter = [found.tokens[:skip] + found.tokens[skip + 1 :] for skip in range(len(found.tokens))]
        scores = change(suspect, places, np.array(shorter), classes, tick)[:, found.toward]
        best = int(scores.argmax())
        if scores[best] < found.score - GAIN:
            return found
        found = Found(shorter[best], found.toward, float(scores[best]))
    return found
