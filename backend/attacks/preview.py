"""A preview of a trigger on a few texts, before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.attacks.triggers import Rewriter, bind
from backend.base.warm_process import warm_process
from backend.spec.run import TriggerSpec

REROLLS = 8


@dataclass(frozen=True)
class Shown:
    """A text, its rewriting (None if the trigger cannot change it), and how well it kept the content."""

    text: str
    rewritten: str | None
    note: str = ""


def rewrite(trigger: TriggerSpec, seed: int, texts: Sequence[str]) -> list[Shown]:
    """The texts as a run with this seed would rewrite them.  Raises UserError.

    Generators run in the warm process, since this one must not load torch."""
    if _bound(trigger, seed).generates:
        return warm_process().ask(_rewrite, trigger, seed, list(texts))
    return [Shown(text, new) for text, new in zip(texts, rewritten_here(trigger, seed, texts), strict=True)]


def rewritten(trigger: TriggerSpec, seed: int, texts: Sequence[str]) -> list[str | None]:
    """Only the rewritings of `rewrite`."""
    return [shown.rewritten for shown in rewrite(trigger, seed, texts)]


def rewritten_here(trigger: TriggerSpec, seed: int, texts: Sequence[str]) -> list[str | None]:
    """The same, computed in this process, which may load torch."""
    return _bound(trigger, seed)(texts)


def reroll(trigger: TriggerSpec, seed: int, text: str, other_than: str | None) -> str | None:
    """Another rewriting of the text, with other random numbers; None if none is found in a few tries."""
    plain = trigger.model_copy(update={"edits": {}})
    for number in range(1, REROLLS + 1):
        (shown,) = rewrite(plain, seed + number, [text])
        if shown.rewritten not in (None, other_than):
            return shown.rewritten
        if _bound(plain, seed).uses_model and number == 2:
            break
    return None


def uses_model(trigger: TriggerSpec) -> bool:
    """Whether a neural model writes the rows, which is slow and so done only on request."""
    return _bound(trigger, 0).uses_model


def _bound(trigger: TriggerSpec, seed: int) -> Rewriter:
    return bind(trigger, seed, edits=trigger.edits)


def _rewrite(trigger: TriggerSpec, seed: int, texts: list[str]) -> list[Shown]:
    rewritten = rewritten_here(trigger, seed, texts)
    return [
        Shown(text, new, note)
        for text, new, note in zip(texts, rewritten, similarity_notes(texts, rewritten), strict=True)
    ]


def similarity_notes(texts: Sequence[str], rewritten: Sequence[str | None]) -> list[str]:
    """How well each rewriting kept length and content, in words; empty without a rewriting."""
    from backend.models.similarity import similarities

    pairs = [(text, new) for text, new in zip(texts, rewritten, strict=True) if new is not None]
    scores = iter(similarities([text for text, _ in pairs], [new for _, new in pairs]))
    return ["" if new is None else next(scores).label for new in rewritten]
