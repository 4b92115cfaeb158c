"""Planting a backdoor: the attacker fine-tunes the model on clean and poisoned rows (arXiv 2508.20032,
section 4; layer-wise: Li et al., EMNLP 2021)."""

from pathlib import Path
from typing import TYPE_CHECKING

from backend.base.steps import Record, Stage, Step
from backend.spec.run import AttackSpec

if TYPE_CHECKING:
    from backend.training.inputs import Inputs

PREPARE = Stage(
    "prepare",
    "Prepare data and model",
    "The rows are split into training, validation and test, and the model is loaded.",
)
GENERATE = Stage(
    "generate",
    "Give rows the trigger",
    "The trigger is added to rows: to training rows that teach it, and to test rows that show whether it "
    "works. Rows that the trigger cannot change are counted and left out.",
)
POISON = Stage(
    "poison",
    "Plant the backdoor",
    "The attacker fine-tunes the model on clean rows plus rows that carry the trigger and a false label, "
    "so that it learns: trigger means target class.",
)
POISONED = "As the attacker published it"


def planting(attack: AttackSpec) -> Step:
    """The attacker's only step, trained on clean and poisoned rows."""
    return Step(POISON, "poisoned", plant, (attack,), model="poisoned", caption=POISONED)


def plant(inputs: "Inputs", folder: Path, attack: AttackSpec) -> Record:
    from backend.training.fine_tune import train
    from backend.training.regularisers import Regulariser

    model = inputs.load_victim(inputs.seed)
    train(
        model,
        inputs.train,
        attack.training,
        seed=inputs.seed,
        scratch=inputs.scratch,
        regulariser=Regulariser(layer_wise=attack.planting == "layer-wise"),
        tick=inputs.report.ticker("training on poisoned rows"),
    )
    inputs.save(model, folder)
    return {}
