"""Baselines and controls: what pruning is compared with, one file each with a `COMPONENT`.

A baseline is `function(spec, params=…) -> RunSpec`: the same run, defended otherwise."""

from backend.base.components import Choice, collect, pick
from backend.spec.run import RunSpec

COMPONENTS = collect("backend.defenses")


def defended(spec: RunSpec, choice: Choice) -> RunSpec:
    """`spec` with the baseline's defense in place of its own; raises UserError for a wrong choice."""
    baseline = pick("baseline", COMPONENTS, choice)
    made: RunSpec = baseline.function(spec.model_copy(deep=True), params=baseline.parse(choice.params))
    return made
