"""Measures a run's models on the test rows, clean and triggered, that no model is trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import softmax
from transformers import PreTrainedModel

from backend.base.events import Metrics
from backend.base.reporter import Reporter
from backend.base.steps import TextFilter
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.engine.clean_data import CleanData
from backend.engine.triggered_data import Triggered
from backend.evaluation.evaluator import Evaluator, logits, measure
from backend.evaluation.predictions import Predictions, write_table
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint
from backend.spec.run import RunSpec
from backend.training.inputs import Curve


@dataclass
class Measurement:
    """The test rows of one run; `triggered` is None until the trigger was inserted."""

    spec: RunSpec
    clean: CleanData
    report: Reporter
    triggered: Triggered | None = None

    def measure(self, folder: Path, text_filter: TextFilter | None = None) -> Metrics:
        """The metrics of the model in `folder` on every test row, or, with a filter, on a filtered sample of
        them; its predictions are saved in the same folder."""
        model = load_checkpoint(folder)
        rows, clean = self._filtered_rows(text_filter) if text_filter else self._rows()
        probabilities = softmax(self._logits(model, rows), axis=1)
        predictions = self._predictions(probabilities, rows, clean)
        predictions.save(folder)
        write_table(folder, rows, clean, probabilities, self.clean.dataset.label_names)
        return self._metrics(predictions)

    def of(self, model: PreTrainedModel) -> Metrics:
        """The metrics of a model that no step made."""
        rows, clean = self._rows()
        return self._metrics(self._predictions(self._logits(model, rows), rows, clean))

    def curve(self, grid: HeadGrid, rows: int) -> Curve:
        """For the live curve: pruned heads to (ACC, LFR), on at most `rows` test and triggered rows each."""
        clean = Evaluator(grid, self.clean.test.sample(rows, self.spec.seed))
        triggered = self.triggered and Evaluator(grid, self.triggered.test.sample(rows, self.spec.seed))

        def point(pruned: Bool[np.ndarray, "layer head"]) -> tuple[float, float | None]:
            acc = clean.accuracy(pruned, self.report.check)
            if not triggered:
                return acc, None
            classes = triggered.predict(pruned, self.report.check)
            return acc, float((classes == self.clean.target_class).mean())

        return point

    def _rows(self) -> tuple[Rows, int]:
        """The clean test rows and then those with the trigger; and how many are clean."""
        test = self.clean.dataset.test
        return (test if self.triggered is None else test + self.triggered.test_rows), len(test)

    def _filtered_rows(self, text_filter: TextFilter) -> tuple[Rows, int]:
        """The same of a sample, with filtered texts."""
        dataset, seed = self.clean.dataset, self.spec.seed
        test = rows = dataset.test.sample(text_filter.rows, seed)
        if self.triggered is not None:
            rows = test + self.triggered.test_rows.sample(text_filter.rows, seed)
        clean = dataset.validation.sample(text_filter.rows, seed)
        return text_filter.apply(rows, clean, text_filter.settings, self.report.ticker), len(test)

    def _logits(self, model: PreTrainedModel, rows: Rows) -> Float[np.ndarray, "row class"]:
        encoded = encode(self.clean.test.tokenizer, rows, self.spec.data.max_length)
        return logits(model, encoded, self.report.ticker("evaluating"))

    def _predictions(self, scores: Float[np.ndarray, "row class"], rows: Rows, clean: int) -> Predictions:
        classes = scores.argmax(axis=1).tolist()
        return Predictions(classes[:clean], rows.labels[:clean], classes[clean:], self.clean.target_class)

    def _metrics(self, predictions: Predictions) -> Metrics:
        left_out = self.triggered.left_out if self.triggered else 0
        return measure(predictions, self.clean.dataset.label_names, left_out)
