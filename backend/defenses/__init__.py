"""Defenses against a backdoor, and their baselines: one file each with a `COMPONENT`.

A defense is `function(params) -> Steps`: a generator of steps on the downloaded model with clean rows
(`backend.base.steps`).  One with variants is also given `variant=…`."""

from backend.base.components import Choice, collect, pick
from backend.base.steps import Defense, DefenseParams, Steps

COMPONENTS = collect("backend.defenses", Defense)


def params_of(choice: Choice) -> DefenseParams:
    """A defense's parameters.  Raises UserError for a wrong choice."""
    params = pick("defense", COMPONENTS, choice).parse(choice.params)
    assert isinstance(params, DefenseParams)
    return params


def steps_of(choice: Choice) -> Steps:
    """The steps of the defense that `choice` names.  Raises UserError for a wrong choice."""
    defense = pick("defense", COMPONENTS, choice)
    variant = {"variant": choice.variant or defense.variants[0]} if defense.variants else {}
    steps: Steps = defense.function(params_of(choice), **variant)
    return steps


def never_poisoned() -> Defense:
    """The baseline with a never-poisoned model."""
    return next(defense for defense in COMPONENTS.values() if defense.never_poisoned)
