"""ONION: removes surprising words before the fine-tuned model classifies a text (Qi et al., EMNLP 2021).

A detection baseline: it changes no weight.  The suspicion of a word is the perplexity of the text minus that
of the text without it; words above a threshold are removed.  The threshold keeps all but a given share of
the words of clean validation rows, so that the defender needs no trigger to set it (section 3).  A language
model reads each text once for every word."""

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
"""Only the first words of a text are tested; the rest stays."""


class OnionSettings(Params):
    """The settings of a filter on the texts before they are classified."""

    share: float = Field(
        0.05, gt=0, lt=1, title="Clean words", description="Share of clean words that the filter may remove."
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
    return TextFilter(without_surprises, settings, settings.rows)


def suspicions(
    language: "LanguageModel", texts: Sequence[str], tick: "Tick | None" = None
) -> list[list[float]]:
    """For each text the suspicion of each of its first words."""
    from backend.base.progress import no_tick
    from backend.models.language_models import perplexities

    versions: list[str] = []
    for text in texts:
        words = text.split()
        versions.append(text)
        versions += [" ".join(words[:i] + words[i + 1 :]) for i in range(min(len(words), MOST_WORDS))]
    perplexity = iter(perplexities(language, versions, tick or no_tick))
    result = []
    for text in texts:
        of_whole_text = next(perplexity)
        result.append([of_whole_text - next(perplexity) for _ in range(min(len(text.split()), MOST_WORDS))])
    return result


def threshold_of(clean: Sequence[Sequence[float]], share: float) -> float:
    """The threshold: at most `share` of the words of clean rows are more suspicious."""
    all_words = [suspicion for text in clean for suspicion in text]
    return float(np.quantile(all_words, 1 - share)) if all_words else float("inf")


def filtered(text: str, suspicion: Sequence[float], threshold: float) -> str:
    """`text` without the words above the threshold; unchanged if it would lose all its words."""
    words = text.split()
    kept = [word for i, word in enumerate(words) if i >= len(suspicion) or suspicion[i] <= threshold]
    return " ".join(kept) if kept else text


def without_surprises(
    rows: "Rows", clean: "Rows", settings: OnionSettings, ticker: "Callable[[str], Tick]"
) -> "Rows":
    """`rows` with their texts filtered by the embedded language model, its threshold set on `clean` rows."""
    from backend.models.language_models import load

    language = load("")
    threshold = threshold_of(suspicions(language, clean.texts, ticker("reading clean rows")), settings.share)
    of_rows = suspicions(language, rows.texts, ticker("filtering rows"))
    return rows.with_texts(
        [filtered(text, suspicion, threshold) for text, suspicion in zip(rows.texts, of_rows, strict=True)]
    )


COMPONENT = Defense(
    name="onion",
    title="ONION",
    summary="Removes words that surprise a language model before the text is classified.",
    params=OnionParams,
    function=onion,
)
