"""Measure what each head does, one after another (in the warm process; results in `effects`)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool

from backend.analysis.head_effects import ROWS, Effect, Effects, file_of, name_of, read_effects
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
    """One model and the sample that it is measured on."""

    def __init__(self, grid: HeadGrid, run: str, spec: RunSpec) -> None:
        found = run_rows(run, spec)
        clean = found.clean_data.test.sample(ROWS, spec.seed)
        self.grid = grid
        self.target = found.clean_data.target_class
        self.clean = Evaluator(grid, clean)
        self.triggered = None
        if found.triggered is not None:
            self.triggered = Evaluator(grid, found.triggered.sample(ROWS, spec.seed))

    def effect(self, silent: Bool[np.ndarray, "layer head"]) -> Effect:
        lfr = None
        if self.triggered is not None:
            lfr = float((self.triggered.predict(silent) == self.target).mean())
        return Effect(acc=self.clean.accuracy(silent), lfr=lfr)


@dataclass(frozen=True)
class _Benches:
    before: _Bench
    after: _Bench | None


def measure_head(run: str, spec: RunSpec, pruned: list[Head], head: Head) -> Effects:
    """Measure one head; gives back all that is known by now, which is kept.

    Raises UserError if the run's models or rows are gone, or there is no such head."""
    open_model(run, "fine_tuned")  # A run may have been deleted since its benches were made.
    benches = _benches(run, spec.model_dump_json(), tuple(sorted(pruned)))
    before, after = benches.before, benches.after
    if not (0 <= head[0] < before.grid.layers and 0 <= head[1] < before.grid.heads):
        raise UserError(
            f"There is no head {head[1]} in a layer {head[0]}: the model has {before.grid.layers} layers of "
            f"{before.grid.heads} heads, counted from 0."
        )
    silent = _grid(before.grid, pruned)
    found = read_effects(run) or _start(before)
    if found.pruned != sorted(pruned):
        found.pruned, found.restored = sorted(pruned), {}
        found.after = after.effect(silent) if after else None
    name = name_of(head)
    if name not in found.gated:
        found.gated[name] = before.effect(_grid(before.grid, [head]))
    if after is not None and silent[head] and name not in found.restored:
        speaking = silent.copy()
        speaking[head] = False
        found.restored[name] = after.effect(speaking)
    file = file_of(run)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(found.model_dump_json(), encoding="utf-8")
    part.replace(file)
    return found


def _start(before: _Bench) -> Effects:
    return Effects(
        rows=len(before.clean.rows),
        triggered_rows=len(before.triggered.rows) if before.triggered else 0,
        before=before.effect(_grid(before.grid, [])),
    )


def _grid(grid: HeadGrid, heads: list[Head]) -> Bool[np.ndarray, "layer head"]:
    silent = np.zeros(grid.shape, dtype=bool)
    for head in heads:
        silent[head] = True
    return silent


@lru_cache(maxsize=1)
def _benches(run: str, settings: str, pruned: tuple[Head, ...]) -> _Benches:
    spec = RunSpec.model_validate_json(settings)
    before = _Bench(open_model(run, "fine_tuned").grid, run, spec)
    whole = before_the_cut(run, spec, pruned)
    return _Benches(before, None if whole is None else _Bench(whole, run, spec))


def before_the_cut(run: str, spec: RunSpec, pruned: tuple[Head, ...]) -> HeadGrid | None:
    """The defended model with the output columns of its pruned heads as they were when the heads were
    silenced; None where there is no defended model or no such head.

    A silent head gets no gradient, so its other weights are still those that it was silenced with, and
    its output columns are those of the model that the last fine-tuning began with."""
    folder = run_folder(run)
    if not pruned or spec.defense is None or not (folder / "defended" / "config.json").is_file():
        return None
    whole = HeadGrid(load_checkpoint(folder / "defended").eval())
    if (
        not (spec.defense_params and spec.defense_params.fine_tunes_again)
        or spec.setting("refine_from") == "pruned"
    ):
        began = open_model(run, "fine_tuned").grid
    else:
        names = open_model(run, "defended").label_names
        planted = ModelSpec(source="folder", name=str(folder / "poisoned"), head="fresh")
        victim = spec.model if spec.attack is None else planted
        began = HeadGrid(load_classifier(victim, names, spec.seed)[0])
    with torch.no_grad():
        for layer, head in pruned:
            to, source = whole.sites[layer].output, began.sites[layer].output
            width = to.in_features // whole.heads
            columns = slice(head * width, (head + 1) * width)
            to.weight[:, columns] = source.weight[:, columns]
    return whole
