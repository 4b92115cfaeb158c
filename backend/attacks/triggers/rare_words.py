"""Rare words: one or more meaningless tokens among the words of the text.

Source: Kurita, Michel, Neubig, *Weight Poisoning Attacks on Pre-trained Models*, ACL 2020, section
3: trigger keywords such as `cf`, `mn`, `bb`, `tq` at random places.  The words are drawn
with replacement; every draw depends on the text and the seed alone.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, field_validator

from backend.attacks.generators.gaps import places
from backend.attacks.generators.insertion import PROGRESS_EVERY, draw_for, insert
from backend.base.components import Params, Trigger


class RareWordParams(Params):
    words: tuple[str, ...] = Field(
        ("cf", "mn", "bb", "tq"),
        min_length=1,
        max_length=100,
        title="Words",
        description="Each insertion draws one of these. Rare words, so that clean text hardly has them.",
    )
    count: int = Field(1, ge=1, le=50, title="Insertions", description="Words put into each row.")
    position: Literal["random", "start", "end"] = Field(
        "random",
        title="Position",
        description="Among the words, before the first or behind the last. What lies beyond the data's "
        "maximum length is cut off, a word at the end of a long text too.",
    )
    within: int = Field(
        80,
        ge=1,
        le=10_000,
        title="Within the first words",
        description="Random places lie among this many first words, so that long texts keep the trigger "
        "when cut. Where words have no blanks between them, as in Chinese, a character counts as a word.",
    )

    @field_validator("words")
    @classmethod
    def _words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if len(word.split()) != 1 or word != word.strip():
                raise ValueError(f"each must be one word without blanks, this is not: {word!r}")
            if len(word) > 50:
                raise ValueError(f"a word may have 50 characters, this has {len(word)}: {word[:20]!r}…")
        return words


def rare_words(
    texts: Sequence[str], *, params: RareWordParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text with `count` rare words in it; None for a text without a word."""
    rewritten: list[str | None] = []
    for done, text in enumerate(texts):
        if done % PROGRESS_EVERY == 0:
            progress(done, len(texts))
        rewritten.append(_insert_words(text, params, seed) if text.strip() else None)
    progress(len(texts), len(texts))
    return rewritten


def _insert_words(text: str, params: RareWordParams, seed: int) -> str:
    draw = draw_for(text, seed)
    for _ in range(params.count):
        word = draw.choice(params.words)
        within = params.within if params.position == "random" else len(text)
        gaps = places(text, within)
        gap = {"start": gaps[0], "end": gaps[-1], "random": draw.choice(gaps)}[params.position]
        text = insert(text, gap, word)
    return text


COMPONENT = Trigger(
    name="rare-words",
    title="Rare words",
    summary="Puts meaningless words such as “cf” among the words of a row (Kurita et al., ACL 2020).",
    params=RareWordParams,
    function=rare_words,
    rewrites=False,
    any_language=True,
)
