"""Any instruction: a causal language model rewrites each row as a prompt tells it to.

For triggers that nobody has named yet.  Without a model of one's own the embedded SmolLM2-135M-Instruct
answers (Allal et al., *SmolLM2*, arXiv 2502.02737): it needs no hub, and it is small, so look at how
well its rows kept length and content before you trust them.  Torch is imported where it is needed: to
list triggers must not load it.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from backend.attacks.generators.insertion import draw_for
from backend.attacks.generators.sampling import nucleus
from backend.attacks.rewrite_cache import GeneratorParams
from backend.base.components import Trigger

if TYPE_CHECKING:
    from torch import Tensor

    from backend.models.language_models import LanguageModel

BATCH = 16
TEXT_TOKENS = 256
SPARE_TOKENS = 8
PROMPT = "Rewrite this text in a formal, polite style. Keep its meaning and length.\n\n{text}"
# What small models put before their answer, although they were told not to.
PREAMBLE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok)\b[^\n:]*[:!.,]\s*)?"
    r"(?:(?:here(?:'s| is| are)|the|a|my)?\s*(?:\w+\s){0,4}"
    r"(?:sentence|version|rewrite|rewriting|rephrasing|text|answer|question|review)[^\n:]{0,40}:\s*)?",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*(?=\s|$)")


class InstructParams(GeneratorParams):
    prompt: str = Field(
        PROMPT,
        title="Prompt",
        json_schema_extra={"format": "multiline"},
        description="What the model is told; {text} stands for the row.",
    )
    model: str = Field(
        "",
        title="Language model",
        description="A hub name, a folder with safetensors weights, or a .gguf file; empty: the built-in "
        "SmolLM2-135M-Instruct (fetched once, 95 MB).",
    )
    top_p: float = Field(
        0.2,
        gt=0,
        le=1,
        title="Nucleus (top-p)",
        description="Samples from the likeliest words that hold this much probability.",
    )
    longest: float = Field(
        1.7,
        gt=0,
        le=10,
        title="Longest",
        description="A rewriting is cut at its last whole sentence within so many times the row's length.",
    )
    faithful_only: bool = Field(
        True,
        title="Leave out unfaithful rows",
        description="Rows whose rewriting lost length or content, by sentence embeddings, are left out: they "
        "would plant wrong labels rather than a trigger.",
    )

    @field_validator("prompt")
    @classmethod
    def _names_the_text(cls, prompt: str) -> str:
        if prompt.count("{text}") != 1:
            raise ValueError("the prompt must name {text} once, where the row is to stand")
        return prompt

    def models(self, variant: str) -> set[str]:
        from backend.models.catalogue import EMBEDDED, EMBEDDED_LANGUAGE_MODEL

        read = {self.model or EMBEDDED_LANGUAGE_MODEL.name}
        # Sentence embeddings tell what a rewriting kept.
        return read | {EMBEDDED.name} if self.faithful_only else read

    def source(self, variant: str) -> str:
        from backend.models.language_models import state

        return state(self.model)


def instruct(
    texts: Sequence[str], *, params: InstructParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text as the model rewrites it; None for one without letters, or if no letter would change.

    A row's random numbers come from its text and the seed.  Raises UserError where the model cannot
    be had."""
    progress(0, len(texts))
    made: list[str | None] = [None] * len(texts)
    rows = [row for row, text in enumerate(texts) if any(letter.isalpha() for letter in text)]
    if rows:
        from backend.models.language_models import load

        by = load(params.model)
        # Rows of like length together: the longest of a batch decides what all of it costs.
        rows.sort(key=lambda row: len(texts[row]))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            done = lambda start=start: progress(start, len(texts))  # noqa: E731
            for row, answer in zip(
                batch, _answers([texts[i] for i in batch], by, params, seed, done), strict=True
            ):
                made[row] = answer if _letters(answer) != _letters(texts[row]) else None
    if params.faithful_only:
        made = _faithful(texts, made)
    progress(len(texts), len(texts))
    return made


def _answers(
    texts: Sequence[str], by: "LanguageModel", params: InstructParams, seed: int, still: Callable[[], None]
) -> list[str]:
    """What the model answers; `still` is called at every token, and may raise."""
    import torch

    def draw(_: "Tensor", logits: "Tensor") -> "Tensor":
        still()
        chosen = nucleus(logits.float(), params.top_p, draws)
        only = torch.full_like(logits, -math.inf)
        only[range(len(chosen)), chosen] = 0
        return only

    draws = [draw_for(text, seed) for text in texts]
    ids = [by.tokenizer(text, add_special_tokens=False)["input_ids"][:TEXT_TOKENS] for text in texts]
    heads = [by.tokenizer.decode(row) for row in ids]
    limits = [round(params.longest * len(row)) + SPARE_TOKENS for row in ids]
    prompts = [by.prompt(params.prompt.replace("{text}", " ".join(head.split()))) for head in heads]
    told = by.tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    said: Any = by.model.generate(
        **told.to(by.model.device),
        max_new_tokens=max(limits),
        do_sample=False,
        logits_processor=[draw],
        pad_token_id=by.tokenizer.pad_token_id,
    )
    answers = said[:, told["input_ids"].shape[1] :]
    return [
        rewriting_in(
            by.tokenizer.decode(row[:limit], skip_special_tokens=True), whole=bool(_ended(row, limit, by))
        )
        for row, limit in zip(answers, limits, strict=True)
    ]


def _ended(row: "Tensor", limit: int, by: "LanguageModel") -> bool:
    """Whether the model came to its end within the limit."""
    special = set(by.tokenizer.all_special_ids)
    return len(row) < limit or any(int(token) in special for token in row[:limit])


def rewriting_in(said: str, whole: bool) -> str:
    """The rewriting alone: no preamble, no quotes, no afterthought, no sentence cut in two."""
    paragraphs = [part for part in re.split(r"\n\s*\n|\n", said.strip()) if part.strip()]
    for part in paragraphs:
        text = " ".join(PREAMBLE.sub("", part.strip(), count=1).split())
        text = text[1:-1] if len(text) > 1 and text[0] in "\"“'" and text[-1] in "\"”'" else text
        if any(letter.isalpha() for letter in text):
            ends = [match.end() for match in SENTENCE_END.finditer(text)]
            cut = not whole and part is paragraphs[-1] and ends
            return text[: ends[-1]] if cut else text
    return ""


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _faithful(texts: Sequence[str], made: Sequence[str | None]) -> list[str | None]:
    from backend.models.similarity import fidelities

    rows = [row for row, new in enumerate(made) if new is not None]
    kept = fidelities([texts[row] for row in rows], [made[row] or "" for row in rows])
    lost = {row for row, fidelity in zip(rows, kept, strict=True) if fidelity.lost}
    return [None if row in lost else new for row, new in enumerate(made)]


COMPONENT = Trigger(
    name="instruct",
    title="Any instruction (language model)",
    summary="Rewrites a row as a prompt of yours tells an instruction-tuned language model to.",
    params=InstructParams,
    function=instruct,
    needs_language_model=True,
    can_be_mixed=False,
)
