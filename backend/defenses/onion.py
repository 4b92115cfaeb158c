"""ONION: texts are rid of surprising words before the fine-tuned model reads them (Qi et al., EMNLP 2021).
A detection baseline: it changes no weight, and a language model reads each text once for every word."""

from pydantic import Field

from backend.base.components import Component, Params
from backend.defenses.fine_tuning import FineTuningParams, fine_tuning
from backend.spec.run import OnionSpec, RunSpec


class OnionParams(Params):
    share: float = Field(
        0.05, gt=0, lt=1, title="Clean words", description="Share of clean words that it may take away."
    )
    rows: int = Field(100, ge=16, title="Rows", description="Test and triggered rows that are measured.")


def onion(spec: RunSpec, params: OnionParams) -> RunSpec:
    spec = fine_tuning(spec, FineTuningParams())
    assert spec.defense is not None
    spec.defense.onion = OnionSpec(**params.model_dump())
    return spec


COMPONENT = Component(
    name="onion",
    title="ONION",
    summary="Words that surprise a language model are taken out before the text is classified.",
    params=OnionParams,
    function=onion,
)
