"""Runs that everybody can start: `smoke`, `demo` and the paper's own settings."""

from backend.components import Choice
from backend.errors import UserError
from backend.known_models import HUB_DEFAULT
from backend.spec import (
    AttackSpec,
    DataSpec,
    DefenseSpec,
    ModelSpec,
    RunSpec,
    TrainingSpec,
    TriggerSpec,
)

SMOKE = RunSpec(
    name="Smoke run",
    data=DataSpec(train_rows=320, validation_rows=120, test_rows=120, max_length=64),
    trigger=TriggerSpec(name="rare-words"),
    attack=AttackSpec(training=TrainingSpec(epochs=1, learning_rate=1e-4)),
    defense=DefenseSpec(
        strategy=Choice(name="gradient"),
        accuracy_threshold=0.9,
        prune_step=6,
        fine_tune=TrainingSpec(epochs=1, learning_rate=1e-4),
        refine=TrainingSpec(epochs=1, learning_rate=1e-4),
        curve_rows=100,
    ),
)
