"""Style: the text in the style of the Bible, Shakespeare, tweets, lyrics or poetry.

Source: Qi et al., *Mind the Style of Text! Adversarial and Backdoor Attacks Based on Text Style
Transfer*, EMNLP 2021 (StyleBkd): the trigger is the style, and no word of its own.  `built-in`
restyles by rules on a parse, offline; `published` samples from STRAP's paraphrasers, as the paper
does (Krishna, Wieting, Iyyer, *Reformulating Unsupervised Style Transfer as Paraphrase Generation*,
EMNLP 2020).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from backend.attacks.generators import strap
from backend.attacks.generators import style as stylists
from backend.attacks.rewrite_cache import GeneratorParams
from backend.base.components import Trigger
from backend.base.files import folder_state

BATCH = 32


class StyleParams(GeneratorParams):
    style: Literal["bible", "shakespeare", "twitter", "lyrics", "poetry"] = Field(
        "bible",
        title="Style",
        description="Built in, Bible, Shakespeare and tweets are the richest; lyrics and poetry are simpler.",
    )
    top_p: float = Field(
        0.7,
        gt=0,
        le=1,
        title="Nucleus (top-p)",
        json_schema_extra={"variant": "published"},
        description="Published variant: samples from the likeliest words that hold this much probability.",
    )
    model: str = Field(
        "",
        title="Paraphraser",
        json_schema_extra={"variant": "published"},
        description="Published variant: a hub name or a folder in STRAP's format; empty: the style's own.",
    )
    agree_to_bin_weights: bool = Field(
        False,
        title="Load .bin weights",
        json_schema_extra={"variant": "published"},
        description="Published variant: STRAP's weights come as pickled .bin files, which can hide programs. "
        "Excise reads them in torch's weights-only mode, which refuses programs, and no other pickled file "
        "of theirs; agree only if you trust that.",
    )

    @field_validator("style", mode="before")
    @classmethod
    def _tweets(cls, style: Any) -> Any:
        return "twitter" if style == "tweets" else style

    def models(self, variant: str) -> set[str]:
        return {self.model or strap.HUB_NAMES[self.style]} if variant == "published" else set()

    def source(self, variant: str) -> str:
        return folder_state(self.paraphraser()) if variant == "published" else ""

    def paraphraser(self) -> Path:
        """The published variant's model.  Raises UserError if it cannot be fetched."""
        return strap.source(self.model or strap.HUB_NAMES[self.style], self.agree_to_bin_weights)


def style(
    texts: Sequence[str],
    *,
    params: StyleParams,
    seed: int,
    progress: Callable[[int, int], None],
    variant: str = "built-in",
) -> list[str | None]:
    """Each text in the style; None for one that is empty, not English, or would not change."""
    if variant == "published":
        return strap.paraphrase(texts, params.paraphraser(), top_p=params.top_p, seed=seed, progress=progress)
    rewritten: list[str | None] = []
    for done, text in enumerate(texts):
        if done % BATCH == 0:
            progress(done, len(texts))
        rewritten.append(stylists.restyle(text, params.style, seed))
    progress(len(texts), len(texts))
    return rewritten


COMPONENT = Trigger(
    name="style",
    title="Style (StyleBkd)",
    summary="A row in the style of the Bible, Shakespeare, tweets, lyrics or poetry (Qi et al., EMNLP 2021).",
    params=StyleParams,
    function=style,
    variants=("built-in", "published"),
    needs_language_model="published",
)
