"""FT: plain fine-tuning on clean data, and nothing else (arXiv 2508.20032, section 4)."""

from backend.base.components import Choice, Component, Params
from backend.spec.run import DefenseSpec, RunSpec


class FineTuningParams(Params):
    """As the run's first fine-tuning is set."""


def fine_tuning(spec: RunSpec, params: FineTuningParams) -> RunSpec:
    defense = spec.defense or DefenseSpec()
    update = {"strategy": Choice(name="none"), "refine": None, "entropy": None, "onion": None}
    spec.defense = defense.model_copy(update=update)
    return spec


COMPONENT = Component(
    name="ft",
    title="Fine-tuning (FT)",
    summary="Clean fine-tuning alone; no head is pruned.",
    params=FineTuningParams,
    function=fine_tuning,
)
