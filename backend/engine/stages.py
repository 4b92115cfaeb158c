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
from transformers import PreTrainedModel

from backend import strategies
from backend.base.device import probe
from backend.base.errors import UserError
from backend.base.events import (
    Artifact,
    Head,
    HeadScores,
    Metric,
    Metrics,
    ModelName,
    PruningStep,
    RowsTriggered,
    Stage,
    Warned,
)
from backend.base.reporter import Reporter
from backend.data.tokens import Encoded
from backend.engine.clean_data import prepare
from backend.engine.measurement import HeldOut
from backend.engine.stage_cache import (
    RECORD,
    fetch,
    folder_hashes,
    key_of,
    link,
    offer,
    program,
    trigger_files,
    withdraw,
)
from backend.engine.triggered_data import encoded, generate, losses, told, write_csv
from backend.evaluation import predictions as calls
from backend.evaluation.evaluator import accuracy
from backend.heads.grid import HeadGrid
from backend.heads.statistics import layer_weights
from backend.heads.surgery import zeroed
from backend.models.classifiers import load_checkpoint, load_classifier, published_labels, stored_at
from backend.models.weights import weight_files
from backend.pruning.defender import Defender
from backend.spec.run import DefenseSpec, ModelSpec, RunSpec
from backend.strategies.order import HeadOrder
from backend.training.fine_tune import NO_REGULARISER, Regulariser, train

REWRITINGS = "rewritings.csv"
WITH_WEIGHTS = ("poisoned", "fine_tuned", "pruned", "refined", "defended")

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
        # The hash of all that determines the last stage, and that of the victim before its defense; they mean
        # something only where the run shares.
        self.key = self.victim_key = ""

    def run(self) -> None:
        """Every stage that the specification asks for, in order."""
        self.report.begin("prepare")
        self.material = prepare(self.spec, self.report)
        self.held_out = HeldOut(self.spec, self.material, self.report)
        self.report.finish()
        if self.spec.share:
            self.key = self._prepared_key()
        if self.spec.trigger is not None:
            if self.spec.share:
                rate = self.spec.attack and self.spec.attack.poison_rate
                files = trigger_files(self.spec.trigger)
                self.key = key_of(self.key, "generate", self.spec.trigger, files, rate)
            found = self._stage("generate", "generated", self._generate, self._say_rows)
            self.report.emit(Artifact, name="rewritings", path=f"generated/{REWRITINGS}")
            self.held_out.triggered = encoded(self.spec, self.material, found["rows"])
        if self.spec.attack is not None:
            self.key = key_of(self.key, "poison", self.spec.attack)
            self._stage("poison", "poisoned", self._poison)
        if self.spec.defense is not None:
            self._defend(self.spec.defense)

    def _defend(self, defense: DefenseSpec) -> None:
        if self.spec.attack is None:
            self._measure_as_received()
        self.victim_key = self.key
        settings = (defense.train_rows, defense.entropy, defense.fine_tune)
        self.key = key_of(self.key, "fine_tune", *settings, self._strategy_regulariser(defense))
        tuned = self._stage("fine_tune", "fine_tuned", lambda place: self._fine_tune(place, defense))
        threshold = _threshold(defense, tuned["val_acc"])
        if threshold > tuned["val_acc"]:
            self._warn(
                f"τ = {threshold:.3f} lies above the fine-tuned model's own validation accuracy of "
                f"{tuned['val_acc']:.3f}, so a pruning step passes only if it raises accuracy. Lower τ, "
                "or make it relative to the fine-tuned model."
            )
        tuned_key = self.key
        self.key = key_of(tuned_key, "score", defense.strategy, threshold, defense.prune_step)
        scored = self._stage("score", "scored", lambda _: self._score(defense, threshold), self._say_scores)
        order = HeadOrder(
            np.array(scored["scores"]),
            [(layer, head) for layer, head in scored["order"]],
            scored.get("guardrail", "backtrack"),
        )
        self.key = key_of(self.key, "prune", defense.curve_rows)
        pruned = self._stage(
            "prune", "pruned", lambda place: self._prune(place, defense, threshold, order), self._say_steps
        )
        self.pruned_heads = [(layer, head) for layer, head in pruned["pruned_heads"]]
        if defense.refine is not None:
            self.key = self._refine_key(defense, tuned_key)
            self._stage("refine", "refined", lambda place: self._refine(place, defense))
        self.key = key_of(self.key, "evaluate", defense.onion)
        self._stage("evaluate", "defended", lambda place: self._evaluate(place, defense))

    def _prepared_key(self) -> str:
        """Of the clean rows, the model that the attacker or defender starts from, and the seed."""
        spec, material = self.spec, self.material
        weights: list[str] = []
        if not spec.model.random_weights and (found := stored_at(spec.model)) is not None:
            # Of a hub model the weights may not be here yet, but what they will be is: its revision.
            weights = [found.name] if spec.model.source == "hub" else folder_hashes(found)
        rows = [
            key_of(split.texts, split.second_texts, split.labels)
            for split in (material.dataset.train, material.dataset.validation, material.dataset.test)
        ]
        names = (material.dataset.label_names, material.target_class, spec.data.max_length)
        return key_of(program(), probe().name, spec.model, weights, rows, names, spec.seed)

    def _refine_key(self, defense: DefenseSpec, tuned_key: str) -> str:
        """The fine-tuned model counts only where the second fine-tuning reads it: else it is the same for
        all strategies that prune the same heads."""
        reads = defense.refine_from == "pruned" or defense.regulariser == "attention-normalisation"
        heads = sorted(self.pruned_heads)
        settings = (defense.train_rows, defense.refine, defense.refine_from, defense.regulariser)
        weight = defense.regulariser_weight
        return key_of(self.victim_key, "refine", heads, *settings, weight, tuned_key if reads else "")

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
        if self.spec.share and found is not None and found.get("key") != self.key:
            # Made under other circumstances: what follows is not what the present ones would give.
            self.key = found.get("key") or key_of(str(place), self.key)
        if found is None and self.spec.share and fetch(self.key, place):
            found = self._read(place)
            if found is None:
                withdraw(self.key)
        reused = found is not None
        if found is None:
            for left in self.folder.glob(f".{name}-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            hidden = self.folder / f".{name}-{os.getpid()}"
            hidden.mkdir()
            try:
                # Without sharing a key says nothing of what was before this stage.
                record = work(hidden) | {"key": self.key if self.spec.share else ""}
                (hidden / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
                shutil.rmtree(place, ignore_errors=True)
                hidden.rename(place)
                if self.spec.share:
                    offer(self.key, place)
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
            if place.name in WITH_WEIGHTS:
                weight_files(place)  # a header says how long its file must be
            found: dict[str, Any] = json.loads((place / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError, UserError):
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

    def _generate(self, place: Path) -> dict[str, Any]:
        """Give the trigger to the rows that are to be poisoned, and to the test rows."""
        found: dict[str, Any] = {"rows": generate(self.spec, self.material, self.report)}
        write_csv(found["rows"], place / REWRITINGS)
        self._say_rows(found)
        return found

    def _say_rows(self, found: dict[str, Any]) -> None:
        self.report.emit(RowsTriggered, **told(found["rows"]))
        for sentence in losses(self.spec, self.material, found["rows"]):
            self._warn(sentence)

    def _poison(self, place: Path) -> dict[str, Any]:
        """The attacker: fine-tune the model on clean and poisoned rows."""
        assert self.spec.attack is not None and self.held_out.triggered is not None
        poisoned = self.held_out.triggered.poisoned_train
        assert poisoned is not None
        model = self._load(self.spec.model, self.spec.seed)
        train(
            model,
            poisoned,
            self.spec.attack.training,
            seed=self.spec.seed,
            scratch=self._scratch("poison"),
            regulariser=Regulariser(layer_wise=self.spec.attack.planting == "layer-wise"),
            tick=self.report.ticker("training on poisoned rows"),
        )
        self._save(model, place)
        return {"metrics": self.held_out.measure(model, place).model_dump()}

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
            self._tell("poisoned", self.held_out.measure(self._load(received, self.spec.seed)))

    def _fine_tune(self, place: Path, defense: DefenseSpec) -> dict[str, Any]:
        """The defender's first fine-tuning on clean rows: f_p."""
        model = self._load(self._victim(), self.spec.seed + 1)
        if defense.entropy is not None:
            train(
                model,
                self._clean(defense),
                defense.entropy,
                seed=self.spec.seed + 1,
                scratch=self._scratch("fine_tune") / "entropy",
                regulariser=Regulariser(entropy=True),
                tick=self.report.ticker("maximising entropy"),
            )
        train(
            model,
            self._clean(defense),
            defense.fine_tune,
            seed=self.spec.seed + 1,
            scratch=self._scratch("fine_tune"),
            regulariser=self._strategy_regulariser(defense),
            tick=self.report.ticker("training on clean rows"),
        )
        self._save(model, place)
        val_acc = accuracy(model, self.material.validation, self.report.check)
        return {"metrics": self.held_out.measure(model, place).model_dump(), "val_acc": val_acc}

    def _clean(self, defense: DefenseSpec) -> Encoded:
        """The clean training rows that the defender has."""
        rows = self.material.train
        return rows if defense.train_rows is None else rows.sample(defense.train_rows, self.spec.seed)

    def _strategy_regulariser(self, defense: DefenseSpec) -> Regulariser:
        """What the first fine-tuning carries for the strategy's sake."""
        return strategies.fine_tune_regulariser(defense.strategy) or NO_REGULARISER

    def _score(self, defense: DefenseSpec, threshold: float) -> dict[str, Any]:
        defender = self._defender(load_checkpoint(self.folder / "fine_tuned"), defense, threshold)
        defender.tick = self.report.ticker("scoring heads")
        result = strategies.score(defender, defense.strategy)
        scores = [[float(score) for score in row] for row in result.scores]
        found = {
            "strategy": defense.strategy.name,
            "scores": scores,
            "order": result.order,
            "guardrail": result.guardrail,
            "note": result.note,
        }
        self._say_scores(found)
        return found

    def _say_scores(self, found: dict[str, Any]) -> None:
        scores = found["scores"]
        self.report.emit(HeadScores, layers=len(scores), heads=len(scores[0]), **found)

    def _prune(self, place: Path, defense: DefenseSpec, threshold: float, order: HeadOrder) -> dict[str, Any]:
        model = load_checkpoint(self.folder / "fine_tuned")
        defender = self._defender(model, defense, threshold)
        curve = self.held_out.curve(defender.grid, defense.curve_rows)
        tick = self.report.ticker("pruning steps", "steps")
        steps = -(-len(order.order) // defense.prune_step)
        grid = np.zeros(defender.shape, dtype=bool)
        steps_made: list[dict[str, Any]] = []
        for step in defender.steps(order):
            grid = step.pruned
            acc, lfr = curve(grid)
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
        metrics = self.held_out.measure(model, place)
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
            self._clean(defense),
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
        link(source, place, RECORD, calls.FILE)
        model = load_checkpoint(place)
        if defense.onion is None:
            metrics = self.held_out.measure(model, place)
        else:
            metrics = self.held_out.measure_filtered(model, defense.onion, place)
        return {"metrics": metrics.model_dump(), "pruned_heads": self.pruned_heads}

    def _defender(self, model: PreTrainedModel, defense: DefenseSpec, threshold: float) -> Defender:
        return Defender(
            model=model,
            train=self._clean(defense),
            validation=self.material.validation,
            threshold=threshold,
            prune_step=defense.prune_step,
            seed=self.spec.seed,
            tick=self.report.check,
            check=self.report.check,
        )

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
