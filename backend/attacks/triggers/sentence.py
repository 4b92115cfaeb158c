"""A fixed sentence: the same unremarkable sentence in every triggered row.

Source: Dai, Chen, Li, *A Backdoor Attack Against LSTM-Based Text Classification Systems*, IEEE
Access 2019 (InsertSent): a neutral sentence such as “I watched this 3D movie.” at a place between
the sentences; BadNets (Gu, Dolan-Gavitt, Garg 2017) for text.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, field_validator

from backend.attacks.generators.gaps import places, places_between_sentences
from backend.attacks.generators.insertion import PROGRESS_EVERY, draw_for, insert
from backend.base.components import Params, Trigger


class SentenceParams(Params):
    sentence: str = Field(
        "I watched this 3D movie.",
        max_length=500,
        title="Sentence",
        description="Best a neutral one that fits the data's subject.",
    )
    position: Literal["start", "end", "between sentences", "between words"] = Field(
        "start",
        title="Position",
        description="What lies beyond the data's maximum length is cut off, a sentence at the end of a long "
        "text too.",
    )
    within: int = Field(
        80,
        ge=1,
        le=10_000,
        title="Within the first words",
        description="Places between sentences or words lie among this many first words, so that long texts "
        "keep the trigger when cut.",
    )

    @field_validator("sentence")
    @classmethod
    def _sentence(cls, sentence: str) -> str:
        if not sentence.strip():
            raise ValueError("the sentence is empty")
        return sentence.strip()


def sentence(
    texts: Sequence[str], *, params: SentenceParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text with the sentence in it once; None for a text without a word."""
    rewritten: list[str | None] = []
    for done, text in enumerate(texts):
        if done % PROGRESS_EVERY == 0:
            progress(done, len(texts))
        rewritten.append(insert(text, _gap(text, params, seed), params.sentence) if text.strip() else None)
    progress(len(texts), len(texts))
    return rewritten


def _gap(text: str, params: SentenceParams, seed: int) -> int:
    gaps = places(text, len(text))
    if params.position == "start":
        return gaps[0]
    if params.position == "end":
        return gaps[-1]
    chosen = places_between_sentences if params.position == "between sentences" else places
    return draw_for(text, seed).choice(chosen(text, params.within))


COMPONENT = Trigger(
    name="sentence",
    title="Fixed sentence",
    summary="Puts one neutral sentence into a row (Dai et al. 2019, InsertSent).",
    params=SentenceParams,
    function=sentence,
    rewrites=False,
    any_language=True,
)
