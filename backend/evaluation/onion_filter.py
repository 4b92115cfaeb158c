"""ONION: words that a language model finds surprising are taken out of a text before it is classified.

The suspicion of a word is the perplexity of the text minus that of the text without it; words above a bar
go.  The bar leaves standing all but a given share of the words of clean validation rows, so that the
defender needs no trigger to set it.
Source: Qi et al., *ONION*, EMNLP 2021, section 3."""

from collections.abc import Callable, Sequence

import numpy as np

from backend.data.rows import Rows
from backend.data.tokens import Tick, no_tick
from backend.models.language_models import LanguageModel, load, perplexities
from backend.spec.run import OnionSpec

MOST_WORDS = 60
"""Words of a text that are looked at, the first ones; what follows stays."""


def suspicions(language: LanguageModel, texts: Sequence[str], tick: Tick = no_tick) -> list[list[float]]:
    """For each text the suspicion of each of its first words."""
    asked: list[str] = []
    for text in texts:
        words = text.split()
        asked.append(text)
        asked += [" ".join(words[:i] + words[i + 1 :]) for i in range(min(len(words), MOST_WORDS))]
    found = iter(perplexities(language, asked, tick))
    result = []
    for text in texts:
        whole = next(found)
        result.append([whole - next(found) for _ in range(min(len(text.split()), MOST_WORDS))])
    return result


def bar_of(clean: Sequence[Sequence[float]], share: float) -> float:
    """The suspicion that at most `share` of the words of clean rows lie above."""
    every = [one for text in clean for one in text]
    return float(np.quantile(every, 1 - share)) if every else float("inf")


def filtered(text: str, suspicion: Sequence[float], bar: float) -> str:
    """`text` without the words above the bar; one that would lose all its words stays as it is."""
    words = text.split()
    kept = [word for i, word in enumerate(words) if i >= len(suspicion) or suspicion[i] <= bar]
    return " ".join(kept) if kept else text


def rid_of_surprises(rows: Rows, clean: Rows, onion: OnionSpec, ticker: Callable[[str], Tick]) -> Rows:
    """`rows` with their texts filtered, the bar set on `clean` ones; the embedded language model reads."""
    language = load("")
    bar = bar_of(suspicions(language, clean.texts, ticker("reading clean rows")), onion.share)
    found = suspicions(language, rows.texts, ticker("filtering rows"))
    return rows.with_texts([filtered(text, one, bar) for text, one in zip(rows.texts, found, strict=True)])
