"""PURE in full: heads of least variance go under the guardrail, then the downloaded model is fine-tuned
without them and with attention normalisation (Zhao et al., ICML 2024)."""

from pydantic import Field

from backend.base.components import Choice, Component, Params
from backend.spec.run import DefenseSpec, RunSpec


class PureParams(Params):
    weight: float = Field(0.15, ge=0, title="Weight", description="Of attention normalisation.")


def pure(spec: RunSpec, params: PureParams) -> RunSpec:
    defense = spec.defense or DefenseSpec()
    update = {
        "strategy": Choice(name="variance"),
        "entropy": None,
        "onion": None,
        "refine": defense.refine or defense.fine_tune,
        "refine_from": "downloaded",
        "regulariser": "attention-normalisation",
        "regulariser_weight": params.weight,
    }
    spec.defense = defense.model_copy(update=update)
    return spec


COMPONENT = Component(
    name="pure",
    title="PURE",
    summary="Variance pruning under the guardrail, then fine-tuning with attention normalisation.",
    params=PureParams,
    function=pure,
)
