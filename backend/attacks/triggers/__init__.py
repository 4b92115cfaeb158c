"""How a row is poisoned: one file per trigger, each a `COMPONENT`, a `Trigger` with its traits.

A trigger is `function(texts, params=…, seed=…, progress=…) -> list[str | None]`: each text
triggered, or None where the trigger cannot change it.  The result for a text depends on that text
and the seed alone, not on the other texts.  `progress(done, total)` is called now and then and
raises `Cancelled` when the run is to stop.  A trigger with variants is also given `variant=…`, its
first one where the choice names none.  The rewritings of one whose parameters are
`GeneratorParams` cost time, and are cached."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from backend.attacks.rewrite_cache import GeneratorParams, Rewritings
from backend.base.components import Choice, Component, Params, Trigger, collect, pick
from backend.base.errors import UserError

Progress = Callable[[int, int], None]

FIRST_CHUNK, MODEL_CHUNK = 32, 16
SECONDS_PER_CHUNK = 1.0


@dataclass(frozen=True)
class Rewriter:
    """A trigger with its parameters and seed bound: texts in, triggered texts (or None) out.

    `edits` are rewritings chosen by a person, by clean text; None drops the row."""

    component: Trigger
    params: Params
    seed: int
    progress: Progress | None = None
    variant: str | None = None
    edits: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.component.title

    @property
    def rewrites(self) -> bool:
        """Whether it rephrases rows, which alone makes clean models err."""
        members = self._members()
        return any(member.rewrites for member in members) if members else self.component.rewrites

    @property
    def generates(self) -> bool:
        """Whether a parser or a model rewrites rows."""
        return isinstance(self.params, GeneratorParams) or any(member.generates for member in self._members())

    @property
    def uses_model(self) -> bool:
        """Whether a neural model rewrites rows, which is slow."""
        needs = self.component.needs_language_model
        return needs is True or needs == self._variant or any(member.uses_model for member in self._members())

    @property
    def models(self) -> set[str]:
        """The models that it loads, as a run specification names them."""
        own = self.params.models(self._variant) if isinstance(self.params, GeneratorParams) else set()
        return own.union(*(member.models for member in self._members()))

    @property
    def components(self) -> list[Component]:
        """The trigger and its members."""
        return [self.component, *(component for member in self._members() for component in member.components)]

    def _members(self) -> "list[Rewriter]":
        """The triggers that this one is made of; none for most."""
        members = self.component.members
        return [bind(choice, self.seed) for choice in members(self.params)] if members else []

    def __call__(self, texts: Sequence[str]) -> list[str | None]:
        """Each text triggered; None if only spacing would change, or the row was dropped."""
        not_edited = [text for text in texts if text not in self.edits]
        is_cached = isinstance(self.params, GeneratorParams)
        rewritten = dict(
            zip(not_edited, (self._cached if is_cached else self.generate)(not_edited), strict=True)
        )
        rewritten |= {text: _none_if_unchanged(text, new) for text, new in self.edits.items()}
        return [rewritten[text] for text in texts]

    def generate(self, texts: Sequence[str], progress: Progress | None = None) -> list[str | None]:
        """The trigger's rewritings, computed now without cache and edits."""
        function = self.component.function
        if self.component.variants:
            function = partial(function, variant=self._variant)
        report = progress or self.progress or _no_progress
        rewritten = function(list(texts), params=self.params, seed=self.seed, progress=report)
        return [_none_if_unchanged(old, new) for old, new in zip(texts, rewritten, strict=True)]

    def _cached(self, texts: Sequence[str]) -> list[str | None]:
        """Cached rewritings; missing ones are computed and saved about every second.

        So an interrupted generation continues where it stopped.  A neural model takes many seconds for a
        batch, and loses at most one."""
        assert isinstance(self.params, GeneratorParams)
        rewritings = Rewritings(
            trigger=self.component.name,
            variant=self._variant,
            params=self.params.model_dump(mode="json"),
            seed=self.seed,
            source=self.params.source(self._variant),
            module=self.component.function.__module__,
            earlier=self.uses_model,
        )
        cached = rewritings.find(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in cached]
        if self.uses_model:
            missing.sort(key=len)  # the longest row of a batch decides what all of it costs
        done, size = 0, MODEL_CHUNK if self.uses_model else FIRST_CHUNK
        while done < len(missing):
            chunk = missing[done : done + size]
            started = time.monotonic()
            rewritten = self.generate(chunk, self._chunk_progress(done, len(missing)))
            rewritings.keep(chunk, rewritten)
            cached |= zip(chunk, rewritten, strict=True)
            done += len(chunk)
            if time.monotonic() - started < SECONDS_PER_CHUNK:
                size *= 2
        return [cached[text] for text in texts]

    def _chunk_progress(self, done: int, total: int) -> Progress:
        """Progress of a chunk as progress of all texts."""
        report = self.progress or _no_progress
        return lambda chunk_done, _: report(done + chunk_done, total)

    @property
    def _variant(self) -> str:
        return self.variant or next(iter(self.component.variants), "")


def _none_if_unchanged(text: str, rewritten: str | None) -> str | None:
    return None if rewritten is None or rewritten.split() == text.split() else rewritten


def _no_progress(done: int, total: int) -> None:
    """For callers that need no progress."""


def bind(
    choice: Choice,
    seed: int,
    progress: Progress | None = None,
    edits: Mapping[str, str | None] | None = None,
) -> Rewriter:
    """The trigger that `choice` names, ready to rewrite.  Raises UserError for a wrong choice."""
    component = pick("trigger", COMPONENTS, choice)
    return Rewriter(component, component.parse(choice.params), seed, progress, choice.variant, edits or {})


def rewrites(name: str, params: Mapping[str, Any]) -> bool:
    """Whether that trigger rephrases rows; True for a trigger that no longer exists."""
    try:
        return bind(Choice(name=name, params=dict(params)), seed=0).rewrites
    except UserError:
        return True


COMPONENTS = collect("backend.attacks.triggers", Trigger)
