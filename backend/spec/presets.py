"""Ready-made runs: `smoke`, `demo` and the paper's own settings."""

import os
import urllib.request
from pathlib import Path
from typing import Any

from backend.base.components import Choice
from backend.base.errors import UserError
from backend.spec.run import HUB_DEFAULT, AttackSpec, DataSpec, ModelSpec, RunSpec, TrainingSpec, TriggerSpec

QUICK = TrainingSpec(epochs=0.5, learning_rate=2e-4, batch_size=16)
ONE_EPOCH = TrainingSpec(epochs=1, learning_rate=5e-5)


def head_pruning(strategy: str | Choice = "gradient", **settings: Any) -> Choice:
    """The choice of head pruning with a strategy and these settings of its search and fine-tunings."""
    choice = Choice(name=strategy) if isinstance(strategy, str) else strategy
    return Choice(name="head-pruning", params={"strategy": choice} | settings)


SMOKE = RunSpec(
    name="Smoke run",
    data=DataSpec(train_rows=320, validation_rows=48, test_rows=60, max_length=40),
    trigger=TriggerSpec(name="rare-words"),
    attack=AttackSpec(training=TrainingSpec(epochs=1, learning_rate=3e-4, batch_size=16)),
    defense=head_pruning(accuracy_threshold=0.9, prune_step=12, fine_tune=QUICK, refine=QUICK, curve_rows=32),
)

DEMO = RunSpec(
    name="Demo run",
    data=DataSpec(train_rows=1000, validation_rows=200, test_rows=300),
    trigger=TriggerSpec(name="rare-words"),
    attack=AttackSpec(training=TrainingSpec(epochs=2, learning_rate=1e-4)),
    defense=head_pruning(
        accuracy_threshold=0.95, prune_step=4, fine_tune=ONE_EPOCH, refine=ONE_EPOCH, curve_rows=200
    ),
)

PAPER = RunSpec(
    name="Published settings",
    model=ModelSpec(source="hub", name=HUB_DEFAULT, head="fresh"),
    data=DataSpec(source="hub", name="sst2"),
    trigger=TriggerSpec(name="pairs", params={"clean": "pairs/clean", "rewritten": "pairs/syntactic"}),
    attack=AttackSpec(poison_rate=0.3, training=TrainingSpec()),
    defense=head_pruning(threshold_kind="absolute", accuracy_threshold=0.85, prune_step=10),
)

PRESETS = {"smoke": SMOKE, "demo": DEMO, "paper": PAPER}


def preset(name: str, random_weights: bool = False) -> RunSpec:
    """A preset by name.  `random_weights` keeps the shapes of model and data: an untrained
    model on the embedded data, to see what a run costs.  Raises UserError for an unknown name, or
    where this machine lacks the hub or the GPU that the paper preset needs."""
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}. Choose one of: {', '.join(PRESETS)}.")
    spec = PRESETS[name].model_copy(deep=True)
    if random_weights:
        spec.name += " (random weights)"
        spec.model.random_weights = True
        if name == "paper":
            spec.data = DataSpec(train_rows=6920, validation_rows=872, test_rows=1046)
            spec.trigger = TriggerSpec(name="rare-words")
    elif name == "paper":
        _require_hub_and_gpu()
    return spec


def _require_hub_and_gpu() -> None:
    """Raise UserError naming what the paper preset lacks.  Looks for a GPU without importing torch."""
    missing = []
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():
        missing.append("a CUDA GPU (none was found)")
    if os.environ.get("HF_HUB_OFFLINE") or not _hub_answers():
        missing.append(f"the Hugging Face hub for {HUB_DEFAULT} and sst2 (it cannot be reached)")
    if missing:
        raise UserError(
            f"The paper preset needs {' and '.join(missing)}. With --random-weights it runs the same shapes "
            "to show the cost only; the demo preset runs here unchanged."
        )


def _hub_answers() -> bool:
    from huggingface_hub import constants

    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=5):
            return True
    except (OSError, ValueError):
        return False
