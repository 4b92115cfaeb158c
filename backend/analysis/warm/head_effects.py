"""Measure what each head does, one after another (in the warm process; results in
`analysis.head_effects`)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool

from backend.analysis.head_effects import ROWS, Effect, Effects, file_of, name_of, read_effects
from backend.analysis.run_models import scored_model
from backend.analysis.warm.models import open_model
from backend.analysis.warm.rows import run_rows
from backend.base.errors import UserError
from backend.base.events import Head
from backend.base.paths import run_folder
from backend.evaluation.evaluator import Evaluator
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint, load_classifier
from backend.spec.run import ModelSpec, RunSpec


class _Bench:
    """One model and the rows that it is measured on."""

    def __init__(self, grid: HeadGrid, run: str, spec: RunSpec) -> None:
        rows = run_rows(run, spec)
        clean = rows.clean_data.test.sample(ROWS, spec.seed)
        self.grid = grid
        self.target = rows.clean_data.target_class
        self.clean = Evaluator(grid, clean)
        self.triggered = None
        if rows.triggered is not None:
            self.triggered = Evaluator(grid, rows.triggered.sample(ROWS, spec.seed))

    def effect(self, gates: Bool[np.ndarray, "layer head"]) -> Effect:
        lfr = None
        if self.triggered is not None:
            lfr = float((self.triggered.predict(gates) == self.target).mean())
        return Effect(acc=self.clean.accuracy(gates), lfr=lfr)


@dataclass(frozen=True)
class _Benches:
    before: _Bench
    after: _Bench | None


def measure_head(run: str, spec: RunSpec, pruned: list[Head], head: Head) -> Effects:
    """Measure one head; returns and keeps all results so far.

    Raises UserError if the run's models or rows are gone, or there is no such head."""
    open_model(run, scored_model(spec))  # The run may have been deleted since its benches were cached.
    benches = _benches(run, spec.model_dump_json(), tuple(sorted(pruned)))
    before, after = benches.before, benches.after
    if not (0 <= head[0] < before.grid.layers and 0 <= head[1] < before.grid.heads):
        raise UserError(
            f"There is no head {head[1]} in layer {head[0]}: the model has {before.grid.layers} layers of "
            f"{before.grid.heads} heads, counted from 0."
        )
    pruned_gates = _gates(before.grid, pruned)
    effects = read_effects(run) or _start(before)
    if effects.pruned != sorted(pruned):
        effects.pruned, effects.restored = sorted(pruned), {}
        effects.after = after.effect(pruned_gates) if after else None
    name = name_of(head)
    if name not in effects.gated:
        effects.gated[name] = before.effect(_gates(before.grid, [head]))
    if after is not None and pruned_gates[head] and name not in effects.restored:
        one_restored = pruned_gates.copy()
        one_restored[head] = False
        effects.restored[name] = after.effect(one_restored)
    file = file_of(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(effects.model_dump_json(), encoding="utf-8")
    part.replace(file)
    return effects


def _start(before: _Bench) -> Effects:
    return Effects(
        rows=len(before.clean.rows),
        triggered_rows=len(before.triggered.rows) if before.triggered else 0,
        before=before.effect(_gates(before.grid, [])),
    )


def _gates(grid: HeadGrid, heads: list[Head]) -> Bool[np.ndarray, "layer head"]:
    gates = np.zeros(grid.shape, dtype=bool)
    for head in heads:
        gates[head] = True
    return gates


@lru_cache(maxsize=1)
def _benches(run: str, settings: str, pruned: tuple[Head, ...]) -> _Benches:
    spec = RunSpec.model_validate_json(settings)
    before = _Bench(open_model(run, scored_model(spec)).grid, run, spec)
    whole = before_the_cut(run, spec, pruned)
    return _Benches(before, None if whole is None else _Bench(whole, run, spec))


def before_the_cut(run: str, spec: RunSpec, pruned: tuple[Head, ...]) -> HeadGrid | None:
    """The defended model with the output columns of its pruned heads as they were before pruning; None
    where there is no defended model or no pruned head.

    A pruned head gets no gradient, so its other weights are still those that it had when it was pruned,
    and its output columns are those of the model that the last fine-tuning started from."""
    folder = run_folder(run)
    if not pruned or spec.defense is None or not (folder / "defended" / "config.json").is_file():
        return None
    whole = HeadGrid(load_checkpoint(folder / "defended").eval())
    if (
        not (spec.defense_params and spec.defense_params.fine_tunes_again)
        or spec.setting("refine_from") == "pruned"
    ):
        start = open_model(run, "fine_tuned").grid
    else:
        names = open_model(run, "defended").label_names
        planted = ModelSpec(source="folder", name=str(folder / "poisoned"), head="fresh")
        victim = spec.model if spec.attack is None else planted
        start = HeadGrid(load_classifier(victim, names, spec.seed)[0])
    with torch.no_grad():
        for layer, head in pruned:
            target, source = whole.sites[layer].output, start.sites[layer].output
            width = target.in_features // whole.heads
            columns = slice(head * width, (head + 1) * width)
            target.weight[:, columns] = source.weight[:, columns]
    return whole
