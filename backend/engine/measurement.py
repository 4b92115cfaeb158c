"""What a run's models are measured on: the test rows, clean and triggered, that nobody trains on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedModel

from backend.base.events import Metrics
from backend.base.reporter import Reporter
from backend.base.steps import TextFilter
from backend.data.tokens import encode
from backend.engine.clean_data import CleanData
from backend.engine.triggered_data import Triggered
from backend.evaluation.evaluator import Evaluator, measure, predict
from backend.evaluation.predictions import Predictions
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint
from backend.spec.run import RunSpec
from backend.training.inputs import Curve


@dataclass
class Measurement:
    """One run's test rows; `triggered` once the trigger was given to them."""

    spec: RunSpec
    clean: CleanData
    report: Reporter
    triggered: Triggered | None = None

    def measure(self, folder: Path, text_filter: TextFilter | None = None) -> Metrics:
        """All held-out numbers of the model in `folder`, on every test row, or on samples of them as a filter
        leaves them; its predictions are kept beside it."""
        model = load_checkpoint(folder)
        predictions = self._filtered(model, text_filter) if text_filter else self._predictions(model)
        predictions.save(folder)
        return self._metrics(predictions)

    def of(self, model: PreTrainedModel) -> Metrics:
        """All held-out numbers of a model that no step left."""
        return self._metrics(self._predictions(model))

    def curve(self, grid: HeadGrid, rows: int) -> Curve:
        """What the live curve shows after each step, on at most `rows` test and as many triggered rows."""
        clean = Evaluator(grid, self.clean.test.sample(rows, self.spec.seed))
        triggered = self.triggered and Evaluator(grid, self.triggered.test.sample(rows, self.spec.seed))

        def point(pruned: Bool[np.ndarray, "layer head"]) -> tuple[float, float | None]:
            acc = clean.accuracy(pruned, self.report.check)
            if not triggered:
                return acc, None
            classes = triggered.predict(pruned, self.report.check)
            return acc, float((classes == self.clean.target_class).mean())

        return point

    def _predictions(self, model: PreTrainedModel) -> Predictions:
        tick = self.report.ticker("evaluating")
        test = predict(model, self.clean.test, tick).tolist()
        flipped = [] if self.triggered is None else predict(model, self.triggered.test, tick).tolist()
        return Predictions(test, list(self.clean.test.labels), flipped, self.clean.target_class)

    def _filtered(self, model: PreTrainedModel, through: TextFilter) -> Predictions:
        dataset, seed = self.clean.dataset, self.spec.seed
        test = dataset.test.sample(through.rows, seed)
        every = test if self.triggered is None else test + self.triggered.test_rows.sample(through.rows, seed)
        clean = dataset.validation.sample(through.rows, seed)
        read = through.apply(every, clean, through.settings, self.report.ticker)
        tokenizer, length = self.clean.test.tokenizer, self.spec.data.max_length
        classes = predict(model, encode(tokenizer, read, length), self.report.check).tolist()
        return Predictions(
            classes[: len(test)], list(test.labels), classes[len(test) :], self.clean.target_class
        )

    def _metrics(self, predictions: Predictions) -> Metrics:
        left_out = self.triggered.left_out if self.triggered else 0
        return measure(predictions, self.clean.dataset.label_names, left_out)
