"""The lessons: one file each, with a `show` that draws the experiment and asks the question at its end."""

from collections.abc import Callable
from dataclasses import dataclass

from pages.parts.lessons import backdoor, failures, fine_tuning, guardrail, heads, importance, triggers


@dataclass(frozen=True)
class Lesson:
    """Its text is `assets/lessons/<number>.md`."""

    title: str
    show: Callable[[], None]


LESSONS = [
    Lesson("What attention heads do", heads.show),
    Lesson("What a backdoor is, and how little poison it takes", backdoor.show),
    Lesson("Why fine-tuning does not remove it", fine_tuning.show),
    Lesson("How importance is estimated, six ways", importance.show),
    Lesson("What the guardrail and τ do", guardrail.show),
    Lesson("Syntactic and stylistic triggers", triggers.show),
    Lesson("How to read a failed defense", failures.show),
]
