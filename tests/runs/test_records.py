"""The name of a run that was given none."""

import pytest

from backend.runs.records import title
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, ModelSpec, RunSpec, TriggerSpec


@pytest.mark.parametrize(
    "model, name",
    [
        (ModelSpec(), "Check of the built-in model, seed 11"),
        (ModelSpec(source="folder", name="/models/Suspect/"), "Check of Suspect, seed 11"),
        (ModelSpec(source="hub", name="owner/Suspect"), "Check of owner/Suspect, seed 11"),
        (ModelSpec(source="run", name="1a2b3c4d"), "Check of run 1a2b3c4d, seed 11"),
    ],
)
def test_a_check_is_named_after_its_model(model: ModelSpec, name: str) -> None:
    assert title(RunSpec(model=model)) == name
    assert len(title(RunSpec(model=ModelSpec(source="hub", name="owner/" + "x" * 5_000)))) < 200


def test_other_runs_are_named_after_what_they_do() -> None:
    planted = RunSpec(trigger=TriggerSpec(name="rare-words"), attack=AttackSpec())
    assert title(planted) == "Plant rare-words, seed 11"
    assert title(RunSpec(defense=head_pruning())) == "Defend by gradient, seed 11"
