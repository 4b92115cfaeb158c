"""The control that decides: both fine-tunings and the regulariser as they are, and no head pruned.  What a
strategy adds to the first fine-tuning (sparsification's penalty) is its own, and is left out."""

from backend.base.components import Choice, Component, Params
from backend.spec.run import DefenseSpec, RunSpec


class SecondParams(Params):
    """As the run's fine-tunings are set."""


def second(spec: RunSpec, params: SecondParams) -> RunSpec:
    defense = spec.defense or DefenseSpec()
    update = {"strategy": Choice(name="none"), "refine": defense.refine or defense.fine_tune}
    spec.defense = defense.model_copy(update=update)
    return spec


COMPONENT = Component(
    name="second-fine-tuning",
    title="Second fine-tuning alone (control)",
    summary="The same second fine-tuning and regulariser, with no head pruned.",
    params=SecondParams,
    function=second,
)
