"""A defense is a generator of steps: the work, its settings, what it reads and what it produces.

    def fine_tuning(params) -> Steps:
        tuned = yield Step(FINE_TUNE, "fine_tuned", fine_tune, (params.rows, params.fine_tune))

The engine's driver runs each step, or reuses one that was finished before, and sends back its record.
A step's work is a module-level function from inputs and settings to files in a folder, so that it can be
resumed, stopped, or run in another process."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.base.components import Choice, Component, Params

Record = dict[str, Any]
"""The results of a step, as JSON values."""

VICTIM = "victim"
"""In a step's `reads`: the model that the defender downloaded, or that the attacker starts from."""

BASE = "base"
"""In a step's `reads`: the model that a checked one claims to come from, where the user named it."""


@dataclass(frozen=True)
class Stage:
    """A step as shown to users: its name in events, its title, and an explanation of what happens and why."""

    name: str
    title: str
    explanation: str = ""


@dataclass(frozen=True)
class TextFilter:
    """A filter on texts before the model of a step classifies them.

    `apply(rows, clean_rows, settings, ticker)` returns the rows with filtered texts; `rows` is the number of
    test rows, triggered rows and clean rows that it is measured on."""

    apply: Callable[..., Any]
    settings: Any
    rows: int


@dataclass(frozen=True)
class Step:
    """One piece of a run.

    `work(inputs, folder, *settings)` fills `folder` and returns its record.  The record and the files must be
    determined by `settings`, by what the step `reads` (folders of earlier steps, or the victim) and by the
    code of `work` and of `components`: these make its cache key.  A model that it saves is measured under the
    name `model` and described by `caption`.  `retell(reporter, record)` emits the events of the work again.
    `expected` is an example record, from which the later steps are listed before the run."""

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
        """Whether its first step is plain fine-tuning, as any user would do it."""
        return True

    @property
    def reads_language_model(self) -> bool:
        """Whether it needs a language model."""
        return False

    @property
    def fine_tunes_again(self) -> bool:
        """Whether the defended model comes from a second fine-tuning."""
        return False

    def strategies(self) -> tuple[Choice, ...]:
        """The strategies that order its heads; none if it prunes none."""
        return ()


@dataclass(frozen=True)
class Defense(Component):
    """A defense: `function(params) -> Steps`, its parameters a `DefenseParams`."""

    never_poisoned: bool = False
    """The run has no attack: its model was never poisoned."""
    needs_attack: bool = False
    """Only measures a planted backdoor, and does nothing more."""
    control: bool = False
    """A control: it shows how much of another defense's effect is that defense's own."""

    def __post_init__(self) -> None:
        if not issubclass(self.params, DefenseParams):
            raise TypeError(f"The parameters of the defense {self.name!r} must be a DefenseParams.")


def planned(steps: Steps) -> list[Step]:
    """The steps of a defense before any is run, as far as they can be known: up to the first that needs
    a value of a record that is not in `expected`."""
    steps_ahead = []
    try:
        step = next(steps)
        while True:
            steps_ahead.append(step)
            step = steps.send(dict(step.expected))
    except (StopIteration, KeyError):
        return steps_ahead
