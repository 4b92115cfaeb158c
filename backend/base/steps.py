"""A defense is a generator of steps: what is done, with what, from what, and what it leaves behind.

    def fine_tuning(params) -> Steps:
        tuned = yield Step(FINE_TUNE, "fine_tuned", fine_tune, (params.rows, params.fine_tune))

The engine's driver carries each step out, or finds that it was done before, and sends back its record.
A step's work is a module-level function from inputs and settings to files in a folder, so that it can be
taken up again, stopped, or carried out elsewhere."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.base.components import Choice, Component, Params

Record = dict[str, Any]
"""What a step found, as JSON holds it."""

VICTIM = "victim"
"""Among what a step reads: the model that the defender downloaded, or that the attacker starts from."""


@dataclass(frozen=True)
class Stage:
    """What readers are told of a step: its name in events, its title, and what happens in it and why."""

    name: str
    title: str
    explanation: str = ""


@dataclass(frozen=True)
class TextFilter:
    """What texts go through before the model of a step classifies them.

    `apply(rows, clean_rows, settings, ticker)` gives the rows with other texts; `rows` says how many test
    rows, triggered rows and clean rows it is tried on."""

    apply: Callable[..., Any]
    settings: Any
    rows: int


@dataclass(frozen=True)
class Step:
    """One piece of a run.

    `work(inputs, folder, *settings)` fills `folder` and gives back its record.  The record, and what the
    files hold, must follow from `settings`, from what the step `reads` (folders of earlier steps, or the
    victim) and from the code of `work` and of `components`: these make its key.  Where it leaves a model,
    that is measured under the name `model` and described by `caption`.  `retell(reporter, record)` says again
    what the work said while it went on.  `expected` is a record such as may be found, from which the steps
    ahead are listed."""

    stage: Stage
    folder: str
    work: Callable[..., Record]
    settings: tuple[Any, ...] = ()
    reads: tuple[str, ...] = (VICTIM,)
    model: str = ""
    caption: str = ""
    components: tuple[Component, ...] = ()
    text_filter: TextFilter | None = None
    retell: Callable[[Any, Record], None] | None = None
    warnings: tuple[str, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)


Steps = Generator[Step, Record, None]


class DefenseParams(Params):
    """Base of the defenses' parameters."""

    @property
    def begins_plainly(self) -> bool:
        """Whether its first model is plainly fine-tuned, as its users' would be."""
        return True

    @property
    def reads_language_model(self) -> bool:
        """Whether a language model reads texts for it."""
        return False

    @property
    def fine_tunes_again(self) -> bool:
        """Whether the defended model comes out of a second fine-tuning."""
        return False

    def strategies(self) -> tuple[Choice, ...]:
        """The strategies that order its heads; none where it prunes none."""
        return ()


@dataclass(frozen=True)
class Defense(Component):
    """A defense: `function(params) -> Steps`, its parameters a `DefenseParams`."""

    never_poisoned: bool = False
    """Stands for a model that nobody poisoned: the attack is left out."""
    needs_attack: bool = False
    """Is read off a planted backdoor alone, and does no more."""
    control: bool = False
    """Says how much of what another defense does is that defense's own."""


def planned(steps: Steps) -> list[Step]:
    """The steps of a defense before any is carried out, as far as they can be known: up to the first that
    asks for something of a record that is not `expected`."""
    found = []
    try:
        step = next(steps)
        while True:
            found.append(step)
            step = steps.send(dict(step.expected))
    except (StopIteration, KeyError):
        return found
