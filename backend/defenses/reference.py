"""The reference: the same model, fine-tuned on the same clean rows and never poisoned.  Its LFR is what a
trigger does to an honest model, the floor beside which every other LFR is read."""

from backend.base.components import Component, Params
from backend.base.errors import UserError
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning
from backend.spec.run import RunSpec


class ReferenceParams(Params):
    """As the run's first fine-tuning is set."""


def reference(spec: RunSpec, params: ReferenceParams) -> RunSpec:
    if spec.attack is None or spec.model.source == "run":
        raise UserError(
            "The never-poisoned reference is the victim without its attack: give the victim an attack, and a "
            "model that no run has poisoned."
        )
    spec = fine_tuning(spec, FineTuningParams())
    spec.attack = None
    return spec


COMPONENT = Component(
    name="reference",
    title="Never poisoned (reference)",
    summary="The same model and fine-tuning without the attack: the floor of LFR.",
    params=ReferenceParams,
    function=reference,
)
