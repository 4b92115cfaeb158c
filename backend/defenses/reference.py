"""The reference: the same model, fine-tuned on the same clean rows and never poisoned.  Its LFR is the
effect of the trigger on a clean model, the floor for every other LFR."""

from backend.base.steps import Defense
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning

COMPONENT = Defense(
    name="reference",
    title="Never poisoned (reference)",
    summary="The same model and fine-tuning without the attack: the floor of LFR.",
    params=FineTuningParams,
    function=fine_tuning,
    never_poisoned=True,
)
