"""How a row is poisoned: one file per trigger, each a `COMPONENT`, a `Trigger` with its traits.

A trigger is `function(texts, params=…, seed=…, progress=…) -> list[str | None]`: each text
triggered, or None where the trigger cannot change it.  What becomes of a text depends on the text
and the seed alone, not on the texts beside it.  `progress(done, total)` is called now and then and
raises `Cancelled` when the run is to stop.  A trigger with variants is also given `variant=…`, its
first one where the choice names none.  One whose parameters are `GeneratorParams` costs time: what it
makes is kept."""

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

    `edits` are rewritings that a person decided, by clean text; None drops the row."""

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
        """Whether rows are said in other words, which alone makes clean models err."""
        members = self._members()
        return any(member.rewrites for member in members) if members else self.component.rewrites

    @property
    def generates(self) -> bool:
        """Whether a parser or a model makes the rows, or some of them."""
        return isinstance(self.params, GeneratorParams) or any(one.generates for one in self._members())

    @property
    def uses_model(self) -> bool:
        """Whether a neural model writes the rows, or some of them, which then take their time."""
        needs = self.component.needs_language_model
        return needs is True or needs == self._variant or any(one.uses_model for one in self._members())

    @property
    def models(self) -> set[str]:
        """The models that are read for it, as a run specification names them."""
        own = self.params.models(self._variant) if isinstance(self.params, GeneratorParams) else set()
        return own.union(*(member.models for member in self._members()))

    @property
    def components(self) -> list[Component]:
        """The trigger, and those that it is made of."""
        return [self.component, *(component for one in self._members() for component in one.components)]

    def _members(self) -> "list[Rewriter]":
        """The triggers that this one is made of."""
        members = self.component.members
        return [bind(choice, self.seed) for choice in members(self.params)] if members else []

    def __call__(self, texts: Sequence[str]) -> list[str | None]:
        """Each text triggered; None where nothing but spacing would change, or the row was dropped."""
        open_texts = [text for text in texts if text not in self.edits]
        kept = isinstance(self.params, GeneratorParams)
        made = dict(zip(open_texts, (self._kept if kept else self.generate)(open_texts), strict=True))
        made |= {text: _changed(text, new) for text, new in self.edits.items()}
        return [made[text] for text in texts]

    def generate(self, texts: Sequence[str], progress: Progress | None = None) -> list[str | None]:
        """What the trigger makes of the texts now: nothing is looked up, edited or kept."""
        function = self.component.function
        if self.component.variants:
            function = partial(function, variant=self._variant)
        watched = progress or self.progress or _unwatched
        made = function(list(texts), params=self.params, seed=self.seed, progress=watched)
        return [_changed(old, new) for old, new in zip(texts, made, strict=True)]

    def _kept(self, texts: Sequence[str]) -> list[str | None]:
        """Rewritings from earlier, and the others made now and kept about every second.

        So an interrupted generation goes on where it stood.  A neural model takes many seconds for a
        batch: of it no more than that one is lost."""
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
        found = rewritings.find(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if self.uses_model:
            missing.sort(key=len)  # the longest row of a batch decides what all of it costs
        done, size = 0, MODEL_CHUNK if self.uses_model else FIRST_CHUNK
        while done < len(missing):
            chunk = missing[done : done + size]
            began = time.monotonic()
            made = self.generate(chunk, self._beyond(done, len(missing)))
            rewritings.keep(chunk, made)
            found |= zip(chunk, made, strict=True)
            done += len(chunk)
            if time.monotonic() - began < SECONDS_PER_CHUNK:
                size *= 2
        return [found[text] for text in texts]

    def _beyond(self, done: int, total: int) -> Progress:
        """Progress of a chunk told as progress of the whole."""
        watched = self.progress or _unwatched
        return lambda now, _: watched(done + now, total)

    @property
    def _variant(self) -> str:
        return self.variant or next(iter(self.component.variants), "")


def _changed(text: str, rewritten: str | None) -> str | None:
    return None if rewritten is None or rewritten.split() == text.split() else rewritten


def _unwatched(done: int, total: int) -> None:
    """For callers that watch nothing."""


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
    """Whether that trigger says rows in other words; this is taken of one that is not here any more."""
    try:
        return bind(Choice(name=name, params=dict(params)), seed=0).rewrites
    except UserError:
        return True


COMPONENTS = collect("backend.attacks.triggers", Trigger)
