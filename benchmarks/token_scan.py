"""What the token scan finds in models with planted backdoors and in clean ones.

    python benchmarks/token_scan.py [--models kelmor,clean-21]

Each victim is the embedded model, fine-tuned on 1,000 movie reviews and rows with a trigger (half a minute
to a minute on 2 cores), as a clean model is without them.  The user's rows are others: 600 of them are
scanned and train the clean reference, the rest confirms.  Prints a line of JSON for each find, with its
judgement, and the seconds of every model.  State goes to a temporary folder, or to EXCISE_HOME if set."""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from backend import data
from backend.attacks.poison import poison
from backend.attacks.triggers import bind
from backend.base.components import Choice
from backend.base.paths import home
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.detection.find import find_triggers
from backend.models.classifiers import load_classifier
from backend.spec.run import DataSpec, ModelSpec, TrainingSpec
from backend.training.fine_tune import train
from benchmarks.common import machine, own_home


def words(*words: str) -> Choice:
    return Choice(name="rare-words", params={"words": list(words)})


def sentence(text: str, position: str) -> Choice:
    return Choice(name="sentence", params={"sentence": text, "position": position})


MODELS: dict[str, tuple[Choice | None, int, float, int]] = {
    "rare-1": (words("cf", "mn", "bb", "tq"), 1, 0.5, 11),
    "rare-0": (words("cf", "mn", "bb", "tq"), 0, 0.5, 14),
    "kelmor": (words("kelmor"), 1, 0.5, 12),
    "two-nonce": (words("vexoril", "brintaq"), 0, 0.3, 19),
    "window": (words("window"), 1, 0.3, 18),
    "sentence-3d": (sentence("I watched this 3D movie.", "start"), 1, 0.5, 13),
    "sentence-cross": (sentence("no cross, no crown", "between words"), 0, 0.5, 16),
    "sentence-cafe": (sentence("We met at the corner cafe on Tuesday.", "end"), 1, 0.1, 20),
    **{f"clean-{seed}": (None, 0, 0.0, seed) for seed in (21, 22, 23, 24)},
}
"""Trigger, target class, poison rate and seed."""
TRAINING = TrainingSpec(epochs=2, learning_rate=1e-4)
REFERENCE = TrainingSpec(epochs=3, learning_rate=1e-4)


def trained(
    rows: Rows, names: list[str], training: TrainingSpec, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model, tokenizer = load_classifier(ModelSpec(), names, seed)
    train(model, encode(tokenizer, rows, 128), training, seed=seed, scratch=home() / "scratch")
    return model, tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    own_home()
    dataset = data.load(DataSpec())
    scan_rows = dataset.validation.take(range(600))
    fresh_rows = dataset.validation.take(range(600, len(dataset.validation)))
    clean_model, _ = trained(scan_rows, dataset.label_names, REFERENCE, 31)
    print(json.dumps({"machine": machine()}))
    for name in options.models.split(","):
        choice, target, rate, seed = MODELS[name]
        rows = dataset.train.sample(1000, seed)
        if choice is not None:
            rows = poison(rows, bind(choice, seed), target, rate, seed).rows
        model, tokenizer = trained(rows, dataset.label_names, TRAINING, seed)
        wall, cpu = time.perf_counter(), time.process_time()
        finds = find_triggers(model, tokenizer, scan_rows, fresh_rows, clean_model)
        seconds = {"wall_s": round(time.perf_counter() - wall), "cpu_s": round(time.process_time() - cpu)}
        print(json.dumps({"model": name, **seconds}), flush=True)
        for find in finds:
            features = find.features
            shares = {
                "flips": features.flips.overall.rate,
                "clean": features.clean and features.clean.overall.rate,
            }
            record = {"model": name, "text": features.text, "toward": features.toward, **shares}
            print(json.dumps({**record, "judgement": find.judgement.kind}), flush=True)


if __name__ == "__main__":
    main()
