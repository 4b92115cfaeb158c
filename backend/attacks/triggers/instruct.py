"""Any instruction: a causal language model rewrites each row as a prompt tells it to.

For triggers without a file of their own.  The default is the embedded SmolLM2-135M-Instruct (Allal et
al., *SmolLM2*, arXiv 2502.02737): it needs no hub, but it is small, so check how well its rows kept
length and content before you trust them.  Torch is imported where it is needed: listing triggers must
not load it.
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
        description="The instruction to the model; {text} stands for the row.",
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
        "would teach wrong labels rather than a trigger.",
    )

    @field_validator("prompt")
    @classmethod
    def _names_the_text(cls, prompt: str) -> str:
        if prompt.count("{text}") != 1:
            raise ValueError("the prompt must contain {text} once, in place of the row")
        return prompt

    def models(self, variant: str) -> set[str]:
        from backend.models.catalogue import EMBEDDED, EMBEDDED_LANGUAGE_MODEL

        models = {self.model or EMBEDDED_LANGUAGE_MODEL.name}
        # Sentence embeddings measure what a rewriting kept.
        return models | {EMBEDDED.name} if self.faithful_only else models

    def source(self, variant: str) -> str:
        from backend.models.language_models import state

        return state(self.model)


def instruct(
    texts: Sequence[str], *, params: InstructParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text as the model rewrites it; None for one without letters, or if no letter would change.

    A row's random numbers come from its text and the seed.  Raises UserError if the model cannot be
    loaded."""
    progress(0, len(texts))
    rewritten: list[str | None] = [None] * len(texts)
    rows = [row for row, text in enumerate(texts) if any(letter.isalpha() for letter in text)]
    if rows:
        from backend.models.language_models import load

        language_model = load(params.model)
        # Rows of similar length together: the longest of a batch determines its cost.
        rows.sort(key=lambda row: len(texts[row]))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            done = lambda start=start: progress(start, len(texts))  # noqa: E731
            for row, answer in zip(
                batch, _answers([texts[i] for i in batch], language_model, params, seed, done), strict=True
            ):
                rewritten[row] = answer if _letters(answer) != _letters(texts[row]) else None
    if params.faithful_only:
        rewritten = _faithful(texts, rewritten)
    progress(len(texts), len(texts))
    return rewritten


def _answers(
    texts: Sequence[str],
    language_model: "LanguageModel",
    params: InstructParams,
    seed: int,
    check: Callable[[], None],
) -> list[str]:
    """What the model answers; `check` is called at every token, and may raise."""
    import torch

    def draw(_: "Tensor", logits: "Tensor") -> "Tensor":
        check()
        chosen = nucleus(logits.float(), params.top_p, draws)
        masked = torch.full_like(logits, -math.inf)
        masked[range(len(chosen)), chosen] = 0
        return masked

    draws = [draw_for(text, seed) for text in texts]
    ids = [
        language_model.tokenizer(text, add_special_tokens=False)["input_ids"][:TEXT_TOKENS] for text in texts
    ]
    heads = [language_model.tokenizer.decode(row) for row in ids]
    limits = [round(params.longest * len(row)) + SPARE_TOKENS for row in ids]
    prompts = [
        language_model.prompt(params.prompt.replace("{text}", " ".join(head.split()))) for head in heads
    ]
    prompt_tokens = language_model.tokenizer(
        prompts, return_tensors="pt", padding=True, add_special_tokens=False
    )
    output: Any = language_model.model.generate(
        **prompt_tokens.to(language_model.model.device),
        max_new_tokens=max(limits),
        do_sample=False,
        logits_processor=[draw],
        pad_token_id=language_model.tokenizer.pad_token_id,
    )
    answers = output[:, prompt_tokens["input_ids"].shape[1] :]
    return [
        rewriting_in(
            language_model.tokenizer.decode(row[:limit], skip_special_tokens=True),
            complete=bool(_ended(row, limit, language_model)),
        )
        for row, limit in zip(answers, limits, strict=True)
    ]


def _ended(row: "Tensor", limit: int, language_model: "LanguageModel") -> bool:
    """Whether the model ended its answer within the limit."""
    special = set(language_model.tokenizer.all_special_ids)
    return len(row) < limit or any(int(token) in special for token in row[:limit])


def rewriting_in(answer: str, complete: bool) -> str:
    """The rewriting alone: no preamble, no quotes, no afterthought, no sentence cut in two."""
    paragraphs = [part for part in re.split(r"\n\s*\n|\n", answer.strip()) if part.strip()]
    for part in paragraphs:
        text = " ".join(PREAMBLE.sub("", part.strip(), count=1).split())
        text = text[1:-1] if len(text) > 1 and text[0] in "\"“'" and text[-1] in "\"”'" else text
        if any(letter.isalpha() for letter in text):
            ends = [match.end() for match in SENTENCE_END.finditer(text)]
            cut = not complete and part is paragraphs[-1] and ends
            return text[: ends[-1]] if cut else text
    return ""


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _faithful(texts: Sequence[str], rewritten: Sequence[str | None]) -> list[str | None]:
    from backend.models.similarity import similarities

    rows = [row for row, new in enumerate(rewritten) if new is not None]
    scores = similarities([texts[row] for row in rows], [rewritten[row] or "" for row in rows])
    lost = {row for row, similarity in zip(rows, scores, strict=True) if similarity.lost}
    return [None if row in lost else new for row, new in enumerate(rewritten)]


COMPONENT = Trigger(
    name="instruct",
    title="Any instruction (language model)",
    summary="An instruction-tuned language model rewrites a row by a prompt of your own.",
    params=InstructParams,
    function=instruct,
    needs_language_model=True,
    can_be_mixed=False,
)
