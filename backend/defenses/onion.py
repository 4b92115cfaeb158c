"""ONION: texts are rid of surprising words before the fine-tuned model reads them (Qi et al., EMNLP 2021).

A detection baseline: it changes no weight.  The suspicion of a word is the perplexity of the text minus that
of the text without it; words above a bar go.  The bar leaves standing all but a given share of the words of
clean validation rows, so that the defender needs no trigger to set it (section 3).  A language model reads
each text once for every word."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from backend.base.components import Params
from backend.base.steps import Defense, Steps, TextFilter
from backend.defenses.fine_tuning import FineTuningParams, first_fine_tuning, leave

if TYPE_CHECKING:
    from backend.base.progress import Tick
    from backend.data.rows import Rows
    from backend.models.language_models import LanguageModel

MOST_WORDS = 60
"""Words of a text that are looked at, the first ones; what follows stays."""


class OnionSettings(Params):
    """A filter on the texts that are to be classified."""

    share: float = Field(
        0.05, gt=0, lt=1, title="Clean words", description="Share of clean words that it may take away."
    )
    rows: int = Field(
        100, ge=16, title="Rows", description="Test rows, and triggered rows, that are filtered and measured."
    )


class OnionParams(FineTuningParams, OnionSettings):
    """Fine-tuning, and the filter."""

    @property
    def reads_language_model(self) -> bool:
        return True


def onion(params: OnionParams) -> Steps:
    yield first_fine_tuning(params.train_rows, params.fine_tune)
    yield leave("fine_tuned", onion_filter(OnionSettings(share=params.share, rows=params.rows)))


def onion_filter(settings: OnionSettings) -> TextFilter:
    return TextFilter(rid_of_surprises, settings, settings.rows)


def suspicions(
    language: "LanguageModel", texts: Sequence[str], tick: "Tick | None" = None
) -> list[list[float]]:
    """For each text the suspicion of each of its first words."""
    from backend.base.progress import no_tick
    from backend.models.language_models import perplexities

    asked: list[str] = []
    for text in texts:
        words = text.split()
        asked.append(text)
        asked += [" ".join(words[:i] + words[i + 1 :]) for i in range(min(len(words), MOST_WORDS))]
    found = iter(perplexities(language, asked, tick or no_tick))
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


def rid_of_surprises(
    rows: "Rows", clean: "Rows", settings: OnionSettings, ticker: "Callable[[str], Tick]"
) -> "Rows":
    """`rows` with their texts filtered, the bar set on `clean` ones; the embedded language model reads."""
    from backend.models.language_models import load

    language = load("")
    bar = bar_of(suspicions(language, clean.texts, ticker("reading clean rows")), settings.share)
    found = suspicions(language, rows.texts, ticker("filtering rows"))
    return rows.with_texts([filtered(text, one, bar) for text, one in zip(rows.texts, found, strict=True)])


COMPONENT = Defense(
    name="onion",
    title="ONION",
    summary="Words that surprise a language model are taken out before the text is classified.",
    params=OnionParams,
    function=onion,
)
