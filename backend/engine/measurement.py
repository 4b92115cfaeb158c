"""What a run's models are measured on: the test rows, clean and triggered, that nobody trains on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedModel

from backend.base.events import Metrics
from backend.base.reporter import Reporter
from backend.data.tokens import encode
from backend.engine.clean_data import Material
from backend.engine.triggered_data import Triggered
from backend.evaluation.evaluator import Evaluator, measure, predict
from backend.evaluation.onion_filter import rid_of_surprises
from backend.evaluation.predictions import Calls
from backend.heads.grid import HeadGrid
from backend.spec.run import OnionSpec, RunSpec

Curve = Callable[[Bool[np.ndarray, "layer head"]], tuple[float, float | None]]
"""ACC and LFR of a sample of the rows with some heads gated; no LFR where there is no trigger."""


@dataclass
class HeldOut:
    """One run's test rows; `triggered` once the trigger was given to them."""

    spec: RunSpec
    material: Material
    report: Reporter
    triggered: Triggered | None = None

    def measure(self, model: PreTrainedModel, place: Path | None = None) -> Metrics:
        """All held-out numbers of `model`, on every test row; what it called them is kept in `place`."""
        tick = self.report.ticker("evaluating")
        called = predict(model, self.material.test, tick).tolist()
        flipped = [] if self.triggered is None else predict(model, self.triggered.test, tick).tolist()
        made = Calls(called, list(self.material.test.labels), flipped, self.material.target_class)
        if place is not None:
            made.save(place)
        return self._numbers(made)

    def measure_filtered(self, model: PreTrainedModel, onion: OnionSpec, place: Path) -> Metrics:
        """Held-out numbers on samples of the test rows, rid of what a language model finds surprising; what
        the model called them is kept in `place`."""
        dataset, seed = self.material.dataset, self.spec.seed
        test = dataset.test.sample(onion.rows, seed)
        every = test if self.triggered is None else test + self.triggered.test_rows.sample(onion.rows, seed)
        clean = dataset.validation.sample(onion.rows, seed)
        read = rid_of_surprises(every, clean, onion, self.report.ticker)
        tokenizer, length = self.material.test.tokenizer, self.spec.data.max_length
        called = predict(model, encode(tokenizer, read, length), self.report.check).tolist()
        filtered = Calls(
            called[: len(test)], list(test.labels), called[len(test) :], self.material.target_class
        )
        filtered.save(place)
        return self._numbers(filtered)

    def curve(self, grid: HeadGrid, rows: int) -> Curve:
        """What the live curve shows after each step, on at most `rows` test and as many triggered rows."""
        clean = Evaluator(grid, self.material.test.sample(rows, self.spec.seed))
        triggered = self.triggered and Evaluator(grid, self.triggered.test.sample(rows, self.spec.seed))

        def point(pruned: Bool[np.ndarray, "layer head"]) -> tuple[float, float | None]:
            acc = clean.accuracy(pruned, self.report.check)
            if not triggered:
                return acc, None
            called = triggered.predict(pruned, self.report.check)
            return acc, float((called == self.material.target_class).mean())

        return point

    def _numbers(self, made: Calls) -> Metrics:
        left_out = self.triggered.left_out if self.triggered else 0
        return measure(made, self.material.dataset.label_names, left_out)
