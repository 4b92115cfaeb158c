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
from backend.data.tokens import Encoded, encode
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
        rows, encoded, clean = self._filtered(text_filter) if text_filter else self._rows()
        probabilities = softmax(self._logits(model, encoded), axis=1)
        predictions = self._predictions(probabilities, encoded.labels, clean)
        predictions.save(folder)
        write_table(folder, rows, clean, probabilities, self.clean.dataset.label_names)
        return self._metrics(predictions)

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

    def _rows(self) -> tuple[Rows, Encoded, int]:
        """The clean test rows and then those with the trigger, as text and tokens; how many are clean."""
        test, encoded = self.clean.dataset.test, self.clean.test
        if self.triggered is None:
            return test, encoded, len(test)
        return test + self.triggered.test_rows, encoded + self.triggered.test, len(test)

    def _filtered(self, text_filter: TextFilter) -> tuple[Rows, Encoded, int]:
        """The same of a sample, with filtered texts."""
        dataset, seed = self.clean.dataset, self.spec.seed
        test = rows = dataset.test.sample(text_filter.rows, seed)
        if self.triggered is not None:
            rows = test + self.triggered.test_rows.sample(text_filter.rows, seed)
        clean = dataset.validation.sample(text_filter.rows, seed)
        filtered = text_filter.apply(rows, clean, text_filter.settings, self.report.ticker)
        return filtered, encode(self.clean.test.tokenizer, filtered, self.spec.data.max_length), len(test)

    def _logits(self, model: PreTrainedModel, rows: Encoded) -> Float[np.ndarray, "row class"]:
        return logits(model, rows, self.report.ticker("evaluating"))

    def _predictions(
        self, scores: Float[np.ndarray, "row class"], labels: list[int], clean: int
    ) -> Predictions:
        classes = scores.argmax(axis=1).tolist()
        return Predictions(classes[:clean], labels[:clean], classes[clean:], self.clean.target_class)

    def _metrics(self, predictions: Predictions) -> Metrics:
        left_out = self.triggered.left_out if self.triggered else 0
        return measure(predictions, self.clean.dataset.label_names, left_out)
