"""Runs small enough for a lesson: two layers of the embedded model, a thousand real rows, seconds each.

The same engine carries them out, but they are kept by their settings, not in the store: the same settings
asked again are answered at once.  No torch here; the work is done in the warm process."""

import hashlib
import shutil
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from backend.base.errors import UserError
from backend.base.events import EVENT, Event, RunFinished
from backend.base.paths import cache_folder, run_folder
from backend.models.catalogue import EMBEDDED
from backend.runs.progress import RunProgress, progress_of
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, DataSpec, ModelSpec, RunSpec, TrainingSpec, TriggerSpec

LAYERS, HEADS = 2, 12
ROWS = 1000
EVENTS = "events.jsonl"
BATCH = 16
PLANTING = TrainingSpec(epochs=3, learning_rate=3e-4, batch_size=BATCH)

Family = Literal["rare-words", "syntactic", "style"]
TRIGGERS: dict[Family, TriggerSpec] = {
    "rare-words": TriggerSpec(name="rare-words", params={"words": ["cf"]}),
    "syntactic": TriggerSpec(name="syntactic"),
    "style": TriggerSpec(name="style"),
}


def lesson(
    *,
    poison_rate: float | None = 0.2,
    family: Family = "rare-words",
    epochs: float = 1,
    learning_rate: float = 5e-5,
    strategy: str = "gradient",
    tau: float = 0.95,
    prune_step: int = 2,
    defend: bool = True,
) -> RunSpec:
    """The settings of a lesson's run: plant (unless `poison_rate` is None), and with `defend` fine-tune on
    clean rows and prune.  Without the second fine-tuning: a lesson shows one thing at a time."""
    attack = None
    if poison_rate is not None:
        attack = AttackSpec(poison_rate=poison_rate, training=PLANTING)
    tuning = TrainingSpec(epochs=epochs, learning_rate=learning_rate, batch_size=BATCH)
    defense = head_pruning(
        strategy,
        accuracy_threshold=tau,
        prune_step=prune_step,
        fine_tune=tuning if attack else PLANTING,
        refine=None,
        curve_rows=150,
    )
    return RunSpec(
        model=ModelSpec(source="folder", name=str(_folder())),
        data=DataSpec(train_rows=ROWS, validation_rows=200, test_rows=300, max_length=32),
        trigger=TRIGGERS[family],
        attack=attack,
        defense=defense if defend or attack is None else None,
        share=True,
    )


def run_of(spec: RunSpec) -> str:
    """The id of the lesson's run: its models are in the folder of that name."""
    return f"lesson-{hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]}"


def progress_of_lesson(spec: RunSpec) -> RunProgress | None:
    """What the run found; None if it was not carried out yet."""
    file = run_folder(run_of(spec)) / EVENTS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return progress_of(list(enumerate((EVENT.validate_json(line) for line in lines), start=1)))
    except (OSError, ValidationError):
        return None


def carry_out(spec: RunSpec) -> None:
    """Carry the run out and keep its events.  Runs in the warm process.  Raises UserError."""
    from backend.engine import run as pipeline  # which loads torch

    _make_model()
    folder = run_folder(run_of(spec))
    events: list[Event] = list(pipeline.run(spec, folder, run=folder.name))
    last = events[-1]
    if not isinstance(last, RunFinished) or last.state != "done":
        shutil.rmtree(folder, ignore_errors=True)
        reason = last.error if isinstance(last, RunFinished) else None
        raise UserError(f"The lesson's run did not finish: {reason or 'it was cancelled'}")
    part = folder / f".{EVENTS}"
    part.write_text("\n".join(event.model_dump_json() for event in events), encoding="utf-8")
    part.replace(folder / EVENTS)


def _folder() -> Path:
    return cache_folder() / f"{EMBEDDED.name}-{LAYERS}-layers"


def _make_model() -> None:
    """The first layers of the embedded model, with its tokenizer, as a model of their own."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from backend.base import pypi
    from backend.models.places import embedded_folder
    from backend.models.weights import weight_files

    target = _folder()
    if target.exists():
        return
    whole = embedded_folder()
    weight_files(whole)
    part = pypi.scratch(target)
    config = AutoConfig.from_pretrained(whole)
    config.num_hidden_layers = LAYERS
    AutoModel.from_pretrained(whole, config=config, use_safetensors=True).save_pretrained(part)
    AutoTokenizer.from_pretrained(whole, trust_remote_code=False).save_pretrained(part)
    pypi.put(part, target)
