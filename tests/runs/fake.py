"""A stand-in for the engine: the same contract, no model.  Stages leave files, batches take time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from backend.attacks.planting import POISON
from backend.base.events import (
    Event,
    Metric,
    Metrics,
    Progress,
    PruningStep,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from backend.runs.progress import stage_title
from backend.spec.presets import head_pruning
from backend.spec.run import RunSpec

METRICS = Metrics(acc=0.9, acc_interval=(0.85, 0.94), test_rows=100)
STAGES = ("poison", "fine_tune", "prune", "evaluate")
BATCHES = 20


def spec(name: str = "A run", seed: int = 11) -> RunSpec:
    """A valid specification; the engine here does not look at it."""
    return RunSpec(name=name, seed=seed, defense=head_pruning())


def engine(
    spec: RunSpec, folder: Path, *, run: str, stop: threading.Event, batch_seconds: float = 0.0
) -> Iterator[Event]:
    """Four stages of twenty batches; a finished stage is a file, and is not done again."""
    resumed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    yield RunStarted(run=run, spec=spec.model_dump(mode="json"), device="none", resumed=resumed)
    for stage in STAGES:
        yield StageStarted(
            run=run, stage=stage, title=POISON.title if stage == POISON.name else stage_title(spec, stage)
        )
        reused = (folder / stage).exists()
        if not reused:
            for batch in range(BATCHES):
                time.sleep(batch_seconds)
                if stop.is_set():
                    yield RunFinished(run=run, state="cancelled")
                    return
                yield Progress(run=run, stage=stage, done=batch + 1, total=BATCHES)
            if stage == "prune":
                for step in range(3):
                    yield pruning_step(run, step)
            (folder / stage).write_text("done")
        if stage == "fine_tune":
            yield Metric(run=run, model="fine_tuned", metrics=METRICS)
        yield StageFinished(run=run, stage=stage, seconds=batch_seconds, reused=reused)
    defended = folder / "defended"
    defended.mkdir(exist_ok=True)
    (defended / "config.json").write_text("{}")
    (defended / "model.safetensors").write_bytes(b"weights")
    metrics = {"fine_tuned": METRICS, "defended": METRICS}
    yield RunFinished(run=run, state="done", metrics=metrics, pruned_heads=[(0, 1), (0, 2)], seconds=1.5)


def slow_engine(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
    """One second a stage."""
    return engine(spec, folder, run=run, stop=stop, batch_seconds=0.05)


def hanging_engine(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event) -> Iterator[Event]:
    """As `engine`, but a run that is called "Hangs" finishes a stage and then hears nothing any more."""
    for event in engine(spec, folder, run=run, stop=stop):
        yield event
        while spec.name == "Hangs" and event.type == "stage_finished":
            time.sleep(1)


def pruning_step(run: str, step: int) -> PruningStep:
    """Step `step`, which pruned head (0, step) unless it is step 0."""
    return PruningStep(
        run=run,
        step=step,
        pruned=[(0, step)] if step else [],
        pruned_total=step,
        tried_val_acc=0.9,
        val_acc=0.9,
        acc=0.9,
        lfr=0.5,
        threshold=0.8,
    )
