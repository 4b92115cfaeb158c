"""What two detectors of triggered rows make of the models of the benchmark of detection.

    python benchmarks/detection_baselines.py [--half fit] [--first 32] [--hours 2]

They see what a check does not: 30 rows as an attacker sends them, half of them with the trigger (of a clean
model 30 clean rows), and 40 clean rows to set their thresholds.  ONION (Qi et al., EMNLP 2021): the share of
rows whose prediction changes once surprising words are taken out.  Perplexity alone: the share of rows that
surprise a language model more than 95 % of the clean rows do; it never asks the model.  The language model
is the embedded one.

Adds lines to results/detection_baselines.jsonl, from which `detection.py` makes its page; about two minutes a
model on one core.  Models that `detection.py` left in EXCISE_HOME are taken, others are made anew."""

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from transformers import AutoTokenizer

from backend.attacks.poison import triggered
from backend.attacks.triggers import bind
from backend.base.paths import home
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.defenses.onion import filtered, suspicions, threshold_of
from backend.evaluation.evaluator import predict
from backend.models.classifiers import load_checkpoint
from backend.models.language_models import LanguageModel, load, perplexities
from backend.spec.run import TriggerSpec
from benchmarks import results
from benchmarks.common import machine, own_home
from benchmarks.detection import trained, written
from benchmarks.detection_models import Made, chosen, parser_of, rows_of
from benchmarks.detection_table import BASELINES

SENT, CLEAN = 30, 40
WORDS_REMOVED, SURPRISING = 0.05, 0.95
"""Share of clean words that ONION may take out; share of clean rows below the threshold of perplexity."""


def main() -> None:
    options = parser_of(__doc__).parse_args()
    own_home()
    language = load("")
    for made in chosen(options):
        if made.name not in {row["model"] for row in results.read(BASELINES)}:
            results.keep(BASELINES, scores(made, language), ("model",))


def scores(made: Made, language: LanguageModel) -> dict[str, Any]:
    """The score of both for one model: the higher, the more it looks backdoored."""
    start, folder = time.perf_counter(), home() / "models" / made.name
    if not (folder / "config.json").is_file():
        trained(made, written(made, home() / "rows" / made.name), folder)
    rows = rows_of(made)
    clean, sent = rows["defender"].take(range(CLEAN)).texts, sent_rows(made, rows["test"])
    model, tokenizer = load_checkpoint(folder), AutoTokenizer.from_pretrained(folder)
    threshold = threshold_of(suspicions(language, clean), WORDS_REMOVED)
    without = [
        filtered(text, suspicion, threshold)
        for text, suspicion in zip(sent.texts, suspicions(language, sent.texts), strict=True)
    ]
    before, after = (
        predict(model, encode(tokenizer, each, 128)) for each in (sent, sent.with_texts(without))
    )
    usual = np.quantile(perplexities(language, clean), SURPRISING)
    return {
        "model": made.name,
        "half": made.half,
        "family": made.family,
        "onion": float((before != after).mean()),
        "perplexity": float((np.array(perplexities(language, sent.texts)) > usual).mean()),
        "seconds": round(time.perf_counter() - start),
        "machine": machine(),
    }


def sent_rows(made: Made, test: Rows) -> Rows:
    """Rows as they would come: of a backdoored model half of them with the trigger."""
    clean = test.take(range(SENT))
    if made.trigger is None:
        return clean
    spec = TriggerSpec.model_validate({**made.trigger, "target_class": made.target})
    with_trigger = triggered(test.take(range(SENT, len(test))), bind(spec, made.seed), made.target)[0]
    return clean.take(range(SENT // 2)) + with_trigger.take(range(SENT - SENT // 2))


if __name__ == "__main__":
    main()
