"""What a model's heads attend to on one text.  No torch: the work is done by
`analysis.warm.attention`."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from jaxtyping import Bool, Float

from backend.base.events import ModelName
from backend.base.warm_process import call

LONGEST_TEXT = 4000


@dataclass(frozen=True)
class Attention:
    """Of one text: `tokens` as the model read them, attention `weights` (each query's sum to 1), and which
    of the tokens the trigger changed."""

    tokens: list[str]
    weights: Float[np.ndarray, "layer head query key"]
    changed: Bool[np.ndarray, " token"]

    def on_changed(self) -> Float[np.ndarray, "layer head"]:
        """The share of attention that [CLS] (the first token) puts on the changed tokens."""
        share: Float[np.ndarray, "layer head"] = self.weights[:, :, 0, self.changed].sum(-1)
        return share


def attend(run: str, name: ModelName, text: str, clean: str | None = None) -> Attention:
    """Asks the warm process: see `backend.analysis.warm.attention.attend`."""
    answer: Attention = call("backend.analysis.warm.attention", "attend", run, name, text, clean)
    return answer


def changed_parts(clean: str, triggered: str) -> list[tuple[int, int]]:
    """Where `triggered` differs from `clean`, word by word: from and to, in characters of `triggered`."""
    old = clean.split()
    new = list(re.finditer(r"\S+", triggered))
    edits = SequenceMatcher(a=old, b=[word.group() for word in new], autojunk=False).get_opcodes()
    return [
        (new[start].start(), new[end - 1].end())
        for tag, _, _, start, end in edits
        if tag != "equal" and end > start
    ]


def shared_tokens(first: list[str], second: list[str]) -> tuple[list[int], list[int]]:
    """The positions, in each list, of the tokens that both have in the same order."""
    blocks = SequenceMatcher(a=first, b=second, autojunk=False).get_matching_blocks()
    in_first = [block.a + i for block in blocks for i in range(block.size)]
    in_second = [block.b + i for block in blocks for i in range(block.size)]
    return in_first, in_second


def around(changed: Bool[np.ndarray, " token"], most: int) -> list[int]:
    """The positions of at most `most` tokens: the first, the last, those changed and those nearest to them
    (nearest to the first where none is changed)."""
    last = len(changed) - 1
    near = np.flatnonzero(changed) if changed.any() else np.array([0])
    distance = np.abs(np.arange(len(changed))[:, None] - near).min(1).astype(float)
    distance[[0, last]] = -1
    return sorted(np.argsort(distance, kind="stable")[:most].tolist())


def beside_changed(clean: Attention, triggered: Attention) -> Bool[np.ndarray, " token"]:
    """The tokens of the clean text that the trigger removed, or that stand next to tokens that it added."""
    in_clean, in_triggered = shared_tokens(clean.tokens, triggered.tokens)
    beside = np.ones(len(clean.tokens), dtype=bool)
    near = np.convolve(triggered.changed, [1, 1, 1], "same") > 0
    beside[in_clean] = near[in_triggered]
    return beside
