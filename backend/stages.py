"""What each stage of a run does.  `pipeline.run` drives them and tells the world."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from backend import strategies
from backend.components import pick
from backend.defender import Defender
from backend.encoding import Encoded, Tick
from backend.evaluation import accuracy, measure, predict
from backend.events import (
    Artifact,
    Head,
    HeadScores,
    Metric,
    Metrics,
    ModelName,
    PruningStep,
    Stage,
    Warned,
)
from backend.heads.gating import HeadGrid
from backend.heads.statistics import layer_weights
from backend.heads.surgery import zeroed
from backend.material import prepare
from backend.models import load_checkpoint, load_classifier, published_labels
from backend.pruning import prune
from backend.reporting import Reporter
from backend.spec import DefenseSpec, ModelSpec, RunSpec
from backend.strategies.order import StrategyParams
from backend.training import NO_REGULARISER, Regulariser, train

RECORD = "excise.json"
"""Written into a stage's folder when the stage is done, so a folder that has it is whole."""

MODEL_OF: dict[Stage, ModelName] = {
    "poison": "poisoned",
    "fine_tune": "fine_tuned",
    "prune": "pruned",
    "evaluate": "defended",
}


class Stages:
    """One run's stages over one folder; what they find is in `metrics` and `pruned_heads`."""

    def __init__(self, spec: RunSpec, folder: Path, report: Reporter) -> None:
        self.spec = spec
        self.folder = folder
        self.report = report
        self.metrics: dict[ModelName, Metrics] = {}
        self.pruned_heads: list[Head] = []

    def run(self) -> None:
        """Every stage that the specification asks for, in order."""
        self.report.begin("prepare")
        self.material = prepare(self.spec, self.report)
        self.report.finish()
        if self.spec.attack is not None:
            self._stage("poison", "poisoned", self._poison)
        if self.spec.defense is not None:
            self._defend(self.spec.defense)

    def _defend(self, defense: DefenseSpec) -> None:
        if self.spec.attack is None:
            self._measure_as_received()
        tuned = self._stage("fine_tune", "fine_tuned", lambda place: self._fine_tune(place, defense))
        threshold = _threshold(defense, tuned["val_acc"])
        if threshold > tuned["val_acc"]:
            self._warn(
                f"τ = {threshold:.3f} lies above the fine-tuned model's own validation accuracy of "
                f"{tuned['val_acc']:.3f}, so a pruning step passes only if it raises accuracy. Lower τ, "
                "or make it relative to the fine-tuned model."
            )
        scored = self._stage("score", "scored", lambda _: self._score(defense, threshold), self._say_scores)
        order = [(layer, head) for layer, head in scored["order"]]
        pruned = self._stage(
            "prune", "pruned", lambda place: self._prune(place, defense, threshold, order), self._say_steps
        )
        self.pruned_heads = [(layer, head) for layer, head in pruned["pruned_heads"]]
        if defense.refine is not None:
            self._stage("refine", "refined", lambda place: self._refine(place, defense))
        self._stage("evaluate", "defended", lambda place: self._evaluate(place, defense))

    def _stage(
        self,
        stage: Stage,
        name: str,
        work: Callable[[Path], dict[str, Any]],
        retell: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """What `work` found, done now or read from the folder that it left earlier.

        `work` fills a hidden folder, which is renamed to `name` once it is whole.  `retell` says
        again what the stage said while it worked: a process that is killed may not have been heard."""
        place = self.folder / name
        self.report.begin(stage)
        found = self._read(place)
        reused = found is not None
        if found is None:
            for left in self.folder.glob(f".{name}-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            hidden = self.folder / f".{name}-{os.getpid()}"
            hidden.mkdir()
            try:
                (hidden / RECORD).write_text(json.dumps(work(hidden), indent=1), encoding="utf-8")
                shutil.rmtree(place, ignore_errors=True)
                hidden.rename(place)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
            found = json.loads((place / RECORD).read_text(encoding="utf-8"))
        elif retell is not None:
            retell(found)
        if stage in MODEL_OF:
            self._tell(MODEL_OF[stage], Metrics.model_validate(found["metrics"]))
            self.report.emit(Artifact, name=MODEL_OF[stage], path=name)
        self.report.finish(reused)
        return found

    def _read(self, place: Path) -> dict[str, Any] | None:
        """The record of a stage that was finished, None if there is none or its files are damaged."""
        if not (place / RECORD).is_file():
            return None
        try:
            for weights in place.glob("*.safetensors"):
                with safe_open(weights, "pt"):
                    pass  # its header says how long the file must be
            found: dict[str, Any] = json.loads((place / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError, SafetensorError):
            self.report.emit(
                Warned, message=f"The checkpoint in {place.name} is damaged; that stage is done again."
            )
            return None
        return found

    def _tell(self, model: ModelName, metrics: Metrics) -> None:
        self.metrics[model] = metrics
        self.report.emit(Metric, model=model, metrics=metrics)

    def _warn(self, message: str) -> None:
        self.report.emit(Warned, message=message)

    def _poison(self, place: Path) -> dict[str, Any]:
        """The attacker: fine-tune the model on clean and poisoned rows."""
        assert self.spec.attack is not None and self.material.poisoned_train is not None
        model = self._load(self.spec.model, self.spec.seed)
        train(
            model,
            self.material.poisoned_train,
            self.spec.attack.training,
            seed=self.spec.seed,
            scratch=self._scratch("poison"),
            regulariser=Regulariser(layer_wise=self.spec.attack.planting == "layer-wise"),
            tick=self.report.ticker("training on poisoned rows"),
        )
        self._save(model, place)
        return {"metrics": self._measure(model).model_dump()}

    def _victim(self) -> ModelSpec:
        """What the defender downloads: the poisoned model if this run planted one."""
        if self.spec.attack is None:
            return self.spec.model
        return ModelSpec(source="folder", name=str(self.folder / "poisoned"), head=self.spec.model.head)

    def _measure_as_received(self) -> None:
        """Numbers of a victim that comes with a classifier head, before the defender touches it."""
        if self.spec.model.head == "keep" or self.spec.model.source == "run":
            received = self.spec.model.model_copy(update={"head": "keep"})
            fresh_asked = self.spec.model.head == "fresh"
            if fresh_asked and published_labels(received) != self.material.dataset.label_names:
                return  # An earlier run's head tells other classes apart, or numbers them otherwise.
            self._tell("poisoned", self._measure(self._load(received, self.spec.seed)))

    def _fine_tune(self, place: Path, defense: DefenseSpec) -> dict[str, Any]:
        """The defender's first fine-tuning on clean rows: f_p."""
        model = self._load(self._victim(), self.spec.seed + 1)
        train(
            model,
            self.material.train,
            defense.fine_tune,
            seed=self.spec.seed + 1,
            scratch=self._scratch("fine_tune"),
            regulariser=self._strategy_regulariser(defense),
            tick=self.report.ticker("training on clean rows"),
        )
        self._save(model, place)
        val_acc = accuracy(model, self.material.validation, self.report.check)
        return {"metrics": self._measure(model).model_dump(), "val_acc": val_acc}

    def _strategy_regulariser(self, defense: DefenseSpec) -> Regulariser:
        """What the first fine-tuning carries for the strategy's sake."""
        strategy = pick("strategy", strategies.COMPONENTS, defense.strategy)
        params = strategy.parse(defense.strategy.params)
        wanted = params.fine_tune_regulariser() if isinstance(params, StrategyParams) else None
        return wanted or NO_REGULARISER

    def _score(self, defense: DefenseSpec, threshold: float) -> dict[str, Any]:
        strategy = pick("strategy", strategies.COMPONENTS, defense.strategy)
        defender = self._defender(load_checkpoint(self.folder / "fine_tuned"), defense, threshold)
        defender.tick = self.report.ticker("scoring heads")
        result = strategy.function(defender, params=strategy.parse(defense.strategy.params))
        scores = [[float(score) for score in row] for row in result.scores]
        found = {"strategy": strategy.name, "scores": scores, "order": result.order}
        self._say_scores(found)
        return found

    def _say_scores(self, found: dict[str, Any]) -> None:
        scores = found["scores"]
        self.report.emit(HeadScores, layers=len(scores), heads=len(scores[0]), **found)

    def _prune(
        self, place: Path, defense: DefenseSpec, threshold: float, order: list[Head]
    ) -> dict[str, Any]:
        model = load_checkpoint(self.folder / "fine_tuned")
        defender = self._defender(model, defense, threshold)
        test, triggered = self.material.test, self.material.triggered_test
        curve_test = test.sample(defense.curve_rows, self.spec.seed)
        curve_triggered = triggered and triggered.sample(defense.curve_rows, self.spec.seed)
        tick = self.report.ticker("pruning steps", "steps")
        steps = -(-len(order) // defense.prune_step)
        grid = np.zeros(defender.shape, dtype=bool)
        steps_made: list[dict[str, Any]] = []
        for step in prune(order, defender.shape, defender.accuracy, threshold, defense.prune_step):
            grid = step.pruned
            with defender.grid.gated(grid):
                acc = accuracy(model, curve_test, self.report.check)
                lfr = self._flip_rate(model, curve_triggered) if curve_triggered else None
            steps_made.append(
                {
                    "step": step.number,
                    "pruned": step.kept,
                    "restored": step.restored,
                    "pruned_total": int(grid.sum()),
                    "tried_val_acc": step.tried_val_acc,
                    "val_acc": step.val_acc,
                    "acc": acc,
                    "lfr": lfr,
                    "threshold": threshold,
                }
            )
            self.report.emit(PruningStep, **steps_made[-1])
            tick(step.number, steps)
        defender.grid.gate(grid)
        metrics = self._measure(model)
        self._save(zeroed(defender.grid), place)
        return {"metrics": metrics.model_dump(), "pruned_heads": _heads(grid), "steps": steps_made}

    def _say_steps(self, found: dict[str, Any]) -> None:
        for step in found["steps"]:
            self.report.emit(PruningStep, **step)

    def _refine(self, place: Path, defense: DefenseSpec) -> dict[str, Any]:
        """The second fine-tuning, with the pruned heads silent throughout."""
        assert defense.refine is not None
        pruned = load_checkpoint(self.folder / "fine_tuned")
        gates = HeadGrid(pruned)
        gates.gate(self._grid(gates.shape))
        regulariser = self._regulariser(pruned, defense)
        model = pruned if defense.refine_from == "pruned" else self._load(self._victim(), self.spec.seed + 2)
        grid = HeadGrid(model)
        grid.gate(self._grid(grid.shape))
        train(
            model,
            self.material.train,
            defense.refine,
            seed=self.spec.seed + 2,
            scratch=self._scratch("refine"),
            regulariser=regulariser,
            tick=self.report.ticker("training without the pruned heads"),
        )
        self._save(zeroed(grid), place)
        return {}

    def _regulariser(self, pruned: PreTrainedModel, defense: DefenseSpec) -> Regulariser:
        if defense.regulariser == "l2":
            return Regulariser(l2=defense.regulariser_weight)
        if defense.regulariser == "none":
            return NO_REGULARISER
        defender = self._defender(pruned, defense, threshold=0.0)
        statistic = torch.as_tensor(defender.cls_variance())
        remaining = torch.as_tensor(~defender.grid.pruned(), dtype=statistic.dtype)
        return Regulariser(attention=defense.regulariser_weight, layers=layer_weights(statistic, remaining))

    def _evaluate(self, place: Path, defense: DefenseSpec) -> dict[str, Any]:
        """Measure the defended model as its users will load it: from the export, ungated."""
        source = self.folder / ("pruned" if defense.refine is None else "refined")
        shutil.copytree(source, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
        metrics = self._measure(load_checkpoint(place))
        return {"metrics": metrics.model_dump(), "pruned_heads": self.pruned_heads}

    def _defender(self, model: PreTrainedModel, defense: DefenseSpec, threshold: float) -> Defender:
        return Defender(
            model=model,
            train=self.material.train,
            validation=self.material.validation,
            threshold=threshold,
            prune_step=defense.prune_step,
            seed=self.spec.seed,
            tick=self.report.check,
            check=self.report.check,
        )

    def _measure(self, model: PreTrainedModel) -> Metrics:
        """All held-out numbers of `model`, on every test row."""
        material = self.material
        tick: Tick = self.report.ticker("evaluating")
        called = predict(model, material.test, tick)
        flipped = None
        if material.triggered_test is not None:
            flipped = predict(model, material.triggered_test, tick)
        return measure(
            called,
            material.test.labels,
            material.dataset.label_names,
            material.target_class,
            flipped,
            material.unchanged_rows,
        )

    def _flip_rate(self, model: PreTrainedModel, rows: Encoded) -> float:
        return float((predict(model, rows, self.report.check) == self.material.target_class).mean())

    def _grid(self, shape: tuple[int, int]) -> Bool[np.ndarray, "layer head"]:
        grid = np.zeros(shape, dtype=bool)
        for head in self.pruned_heads:
            grid[head] = True
        return grid

    def _load(self, model: ModelSpec, seed: int) -> PreTrainedModel:
        return load_classifier(model, self.material.dataset.label_names, seed)[0]

    def _save(self, model: PreTrainedModel, place: Path) -> None:
        model.save_pretrained(place)
        self.material.test.tokenizer.save_pretrained(place)

    def _scratch(self, stage: Stage) -> Path:
        return self.folder / "training" / stage


def _threshold(defense: DefenseSpec, val_acc: float) -> float:
    """τ as an absolute validation accuracy."""
    relative = defense.threshold_kind == "relative"
    return defense.accuracy_threshold * (val_acc if relative else 1.0)


def _heads(grid: Bool[np.ndarray, "layer head"]) -> list[Head]:
    return [(int(layer), int(head)) for layer, head in np.argwhere(grid)]
