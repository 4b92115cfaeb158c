"""How a row is poisoned: one file per trigger, each a `COMPONENT`.

A trigger is `function(texts, params=…, seed=…, progress=…) -> list[str | None]`: each text
triggered, or None where the trigger cannot change it.  What becomes of a text depends on the text
and the seed alone, not on the texts beside it.  `progress(done, total)` is called now and then and
raises `Cancelled` when the run is to stop.  A trigger with variants is also given `variant=…`, its
first one where the choice names none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from backend.components import Choice, Component, Params, collect, pick

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rewriter:
    """A trigger with its parameters and seed bound: texts in, triggered texts (or None) out."""

    component: Component
    params: Params
    seed: int
    progress: Progress | None = None
    variant: str | None = None

    @property
    def title(self) -> str:
        return self.component.title

    def __call__(self, texts: Sequence[str]) -> list[str | None]:
        """Each text triggered; None where nothing but spacing would change."""
        function = self.component.function
        if self.component.variants:
            function = partial(function, variant=self.variant or self.component.variants[0])
        made = function(list(texts), params=self.params, seed=self.seed, progress=self.progress or _unwatched)
        return [
            None if new is None or new.split() == old.split() else new
            for old, new in zip(texts, made, strict=True)
        ]


def _unwatched(done: int, total: int) -> None:
    """For callers that watch nothing."""


def bind(choice: Choice, seed: int, progress: Progress | None = None) -> Rewriter:
    """The trigger that `choice` names, ready to rewrite.  Raises UserError for a wrong choice."""
    component = pick("trigger", COMPONENTS, choice)
    return Rewriter(component, component.parse(choice.params), seed, progress, choice.variant)


COMPONENTS = collect("backend.triggers")
