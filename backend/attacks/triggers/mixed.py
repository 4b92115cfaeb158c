"""Several triggers at once: each row gets one of them.

Which one depends on the text and the seed alone, each as often as the others.  A row that its trigger
cannot change is left out, as everywhere."""

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import Field, field_validator

from backend.attacks.generators.insertion import draw_for
from backend.base.components import Choice, Params, Trigger


class MixedParams(Params):
    triggers: tuple[str, ...] = Field(
        ("syntactic", "style"),
        min_length=2,
        max_length=6,
        title="Triggers",
        description="Names of triggers, each with its usual parameters.",
    )

    @field_validator("triggers")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from backend.attacks.triggers import COMPONENTS

        suitable = [name for name, trigger in COMPONENTS.items() if trigger.can_be_mixed]
        if wrong := [name for name in names if name not in suitable]:
            raise ValueError(f"there is no trigger {wrong[0]!r} to mix; choose one of: {', '.join(suitable)}")
        return names


def members(params: MixedParams) -> list[Choice]:
    """The triggers that are mixed, each with its usual parameters."""
    return [Choice(name=name) for name in params.triggers]


def mixed(
    texts: Sequence[str], *, params: MixedParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """Each text with one of the triggers; None where that one cannot change it."""
    from backend.attacks.triggers import bind

    # Salted: the triggers draw from the text and the seed alone, and the choice must not depend on that.
    member_of_row = [draw_for(f"mixed\n{text}", seed).randrange(len(params.triggers)) for text in texts]
    rewritten: dict[int, str | None] = {}
    for number, member in enumerate(members(params)):
        rows = [row for row, index in enumerate(member_of_row) if index == number]
        member_progress = partial(_report_in_total, progress, len(rewritten), len(texts))
        rewritten |= zip(rows, bind(member, seed, member_progress)([texts[row] for row in rows]), strict=True)
    return [rewritten[row] for row in range(len(texts))]


def _report_in_total(
    progress: Callable[[int, int], None], before: int, total: int, done: int, _: int
) -> None:
    """Progress of one trigger as progress of all."""
    progress(before + done, total)


COMPONENT = Trigger(
    name="mixed",
    title="Several triggers at once",
    summary="Gives each row one of several triggers, each as often as the others.",
    params=MixedParams,
    function=mixed,
    can_be_mixed=False,
    any_language=True,  # if its members are
    members=members,
)
