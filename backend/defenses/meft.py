"""MEFT: output entropy on clean data is maximised first, then the model is fine-tuned (Liu et al.,
Findings of ACL 2023; a baseline of arXiv 2508.20032, section 4).  Where the victim gets a fresh head,
entropy is near its maximum from the start."""

from pydantic import Field

from backend.base.components import Component, Params
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning
from backend.spec.run import RunSpec


class EntropyParams(Params):
    epochs: float = Field(1, gt=0, le=100, title="Epochs", description="Of maximising entropy.")
    learning_rate: float = Field(
        2e-5, gt=0, le=1, title="Learning rate", description="Of maximising entropy."
    )


def entropy(spec: RunSpec, params: EntropyParams) -> RunSpec:
    spec = fine_tuning(spec, FineTuningParams())
    assert spec.defense is not None
    spec.defense.entropy = spec.defense.fine_tune.model_copy(update=params.model_dump())
    return spec


COMPONENT = Component(
    name="meft",
    title="Maximum entropy, then fine-tuning (MEFT)",
    summary="Fine-tuned to call no class likelier than another, then fine-tuned on clean data.",
    params=EntropyParams,
    function=entropy,
)
