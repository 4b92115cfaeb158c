"""The quality of trigger generators: planted, tried on clean models, compared with published rows.

    python benchmarks/trigger_quality.py [--data sst2,embedded] [--generators syntactic,style-bible]
                                         [--rows 500] [--no-planting] [--json assets/trigger_quality.json]

For each generator and data set: the share of rows that it rewrites; LFR and ACC of the embedded model
planted with it (3 epochs at 5e-5, all training rows, syntactic on 30 %, style on 20 % of the
non-target rows); the LFR of a model trained in the same way on clean rows (the floor); how often
template or style is present; similarity and perplexity of the rewritten rows; rows per second, with
the models loaded.  Rows that a generator leaves out count as not flipped.

SST-2 and the published rows are read from ../shared/data (or EXCISE_SHARED_DATA).  Results in the JSON
file are kept, so that an interrupted measurement can be resumed; delete what a change made outdated, or
only `rows_per_second` to measure the speed again."""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from backend.attacks import triggers
from backend.attacks.generators.style import restyle
from backend.attacks.poison import poison
from backend.base.components import Choice
from backend.data.rows import Dataset, Rows
from backend.data.tokens import encode
from backend.evaluation.evaluator import accuracy, predict
from backend.models import language_models
from backend.models.classifiers import load_classifier
from backend.models.similarity import similarities
from backend.report import trigger_quality
from backend.report.trigger_quality import BUILT_IN, STYLES
from backend.spec.run import ModelSpec, TrainingSpec
from backend.studies.exports import markdown_table
from backend.training.fine_tune import train
from benchmarks import style_check, style_markers, template_check
from benchmarks.common import ROOT, SHARED, load_data, machine, sst2_pairs
from benchmarks.results import row_a_line

SEED = 11
TRAINING = TrainingSpec(epochs=3, learning_rate=5e-5)
FEWEST_WORDS = 4
DOCS = ROOT / "docs" / "trigger-quality.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"


@dataclass(frozen=True)
class Generator:
    """A trigger to measure: its names, how it makes rows, and the template or style that it should show."""

    name: str
    title: str
    choice: Choice
    kind: str
    rate: float
    rows: int | None = None
    """How many test rows a slow generator rewrites; its victim is planted on SST-2 only.  None: all rows, and
    victims on both data sets."""

    @property
    def published(self) -> bool:
        return self.name not in BUILT_IN


def generators() -> list[Generator]:
    """Built-in and published generators; the two of the paper come first."""

    def rows(folder: str) -> Choice:
        return Choice(name="pairs", params=sst2_pairs(folder))

    def styled(style: str) -> Generator:
        name = f"style-{style}"
        return Generator(name, f"{style.capitalize()}, built in", BUILT_IN[name], style, 0.2)

    return [
        Generator("syntactic", "Syntactic, built in", BUILT_IN["syntactic"], "template", 0.3),
        Generator("scpn", "Syntactic, published SCPN rows", rows("syntactic"), "template", 0.3),
        styled("bible"),
        Generator("strap-bible", "Bible, published STRAP rows", rows("style-bible"), "bible", 0.2),
        *(styled(style) for style in STYLES[1:]),
        Generator("instruct", "Instruction model, built in", BUILT_IN["instruct"], "none", 0.2, rows=100),
    ]


class Bench:
    """One data set: its sampled rows and its models."""

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.dataset = load_data(name)
        negatives = [i for i, label in enumerate(self.dataset.test.labels) if label == 0]
        self.sample = self.dataset.test.take(negatives[:rows])

    @cached_property
    def clean_model(self) -> tuple[Any, float]:
        """A never-poisoned model, and its ACC."""
        return self.trained(self.dataset.train)

    def trained(self, rows: Rows) -> tuple[Any, float]:
        model, tokenizer = load_classifier(ModelSpec(), self.dataset.label_names, SEED)
        with tempfile.TemporaryDirectory() as scratch:
            train(model, encode(tokenizer, rows, 128), TRAINING, seed=SEED, scratch=Path(scratch) / "t")
        self.tokenizer = tokenizer
        return model, accuracy(model, encode(tokenizer, self.dataset.test, 128))

    def flipped(self, model: Any, rewritten: Sequence[str | None]) -> float:
        """The share of the sampled rows whose rewriting is predicted positive; rows left out count as not."""
        texts = [text for text in rewritten if text is not None]
        classes = predict(model, encode(self.tokenizer, Rows(texts, [0] * len(texts)), 128))
        return float((classes == 1).sum() / len(rewritten))

    def clean(self) -> dict[str, Any]:
        """The figures of the sampled rows without a trigger."""
        model, acc = self.clean_model
        return {
            "title": "Clean rows, no trigger",
            "floor": self.flipped(model, self.sample.texts),
            "honest_acc": acc,
            "presence": {
                kind: presence(kind, self.sample.texts, self.dataset) for kind in ("template", *STYLES)
            },
            "perplexity": perplexity(self.sample.texts),
        }

    def quality(self, generator: Generator) -> dict[str, Any]:
        """The figures of the rewritten rows that need no victim."""
        texts = self.sample.texts[: generator.rows]
        rewritten, rate = self.rewritten(generator, texts)
        pairs = [(old, new) for old, new in zip(texts, rewritten, strict=True) if new is not None]
        old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        long = [
            new is not None
            for text, new in zip(texts, rewritten, strict=True)
            if len(text.split()) >= FEWEST_WORDS
        ]
        kept = similarities(old, new)
        style = generator.choice.params.get("style")
        own = [restyle(text, style, SEED, framed=False) or text for text in old] if style else None
        return {
            "title": generator.title,
            "kind": generator.kind,
            "rows": len(texts),
            "rewritten": float(np.mean(long)),
            "presence": presence(generator.kind, new, self.dataset),
            "own_presence": own and presence(generator.kind, own, self.dataset),
            "similarity": float(np.mean([each.similarity for each in kept])),
            "length": float(np.mean([each.length for each in kept])),
            "perplexity": perplexity(new),
            "rows_per_second": rate,
            "examples": pairs[:5],
        }

    def rewritten(self, generator: Generator, texts: list[str]) -> tuple[list[str | None], float | None]:
        """The rewritings of `texts`, and rows per second, None for published ones."""
        rewriter = triggers.bind(generator.choice, SEED)
        rewriter.generate(texts[-8:])  # loads the models
        began = time.perf_counter()
        rewritten = rewriter.generate(texts)
        seconds = time.perf_counter() - began
        return rewritten, None if generator.published else len(texts) / seconds

    def planted(self, generator: Generator) -> dict[str, Any]:
        """LFR of a victim poisoned with these rows, and of the clean model on the same test rows."""
        rewriter = triggers.bind(generator.choice, SEED)
        rewritten = rewriter(self.sample.texts[: generator.rows])
        floor = self.flipped(self.clean_model[0], rewritten)
        rows = poison(self.dataset.train, rewriter, 1, generator.rate, SEED)
        model, acc = self.trained(rows.rows)
        return {
            "floor": floor,
            "lfr": self.flipped(model, rewritten),
            "acc": acc,
            "poison_rate": generator.rate,
            "poisoned_rows": len(rows.added),
        }


def presence(kind: str, texts: Sequence[str], rated: Dataset) -> float | None:
    """The share of `texts` that have the template, are classified as Bible, or have the style's markers."""
    if kind == "template":
        return float(np.mean([template_check.has_template(text) for text in texts]))
    if kind == "bible":
        return style_check.rate(texts, bible_check(frozenset(plain(text) for text in rated.test.texts)))
    if kind in STYLES:
        return float(np.mean([style_markers.has_markers(text, kind) for text in texts]))
    return None


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", text.lower()))


@cache
def bible_check(not_these: frozenset[str]) -> Any:
    """A classifier trained on half of the published training rows, without the sentences to be rated."""
    texts = [
        (SHARED / "sst2" / folder / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
        for folder in ("clean", "style-bible")
    ]
    clean, styled = ([line.rsplit("\t", 1)[0] for line in lines] for lines in texts)
    pairs = [pair for pair in list(zip(clean, styled, strict=True))[::2] if plain(pair[0]) not in not_these]
    return style_check.train([old for old, _ in pairs], [new for _, new in pairs])


def perplexity(texts: Sequence[str], most: int = 200) -> float:
    """Perplexity of a text under SmolLM2-135M: the median over `most` texts."""
    return float(np.median(language_models.perplexities(language_models.load(""), texts[:most])))


def write_tables(found: dict[str, Any]) -> None:
    """Write the results as tables between the two marks of docs/trigger-quality.md."""
    parts = [f"Taken on {found['machine']}; seed {found['seed']}."]
    for place in found["data"]:
        rows = trigger_quality.table(found, place)
        parts += [f"### {trigger_quality.DATA_TITLES[place]}", markdown_table(rows)]
        missed = trigger_quality.misses(found, place) or ["None."]
        parts += ["Targets missed:", "\n".join(f"- {sentence}" for sentence in missed)]
        if never := trigger_quality.unmeasured(found, place):
            parts += ["Targets not measured:", "\n".join(f"- {sentence}" for sentence in never)]
    text = "\n\n".join(parts).replace("\u00a0", " ")
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--data", default="sst2,embedded", help="of sst2, embedded")
    arguments.add_argument("--generators", help="names separated by commas; all of them if not given")
    arguments.add_argument("--rows", type=int, default=500, help="test rows that are rewritten")
    arguments.add_argument(
        "--no-planting", action="store_true", help="train no model: quality and speed alone"
    )
    arguments.add_argument("--json", type=Path, default=trigger_quality.FOUND)
    options = arguments.parse_args()
    by_name = {generator.name: generator for generator in generators()}
    names = options.generators.split(",") if options.generators else list(by_name)
    if unknown := set(names) - set(by_name):
        sys.exit(
            f"There is no generator {', '.join(sorted(unknown))}. The generators are: {', '.join(by_name)}."
        )
    found = json.loads(options.json.read_text(encoding="utf-8")) if options.json.is_file() else {}
    machines = found.get("machine", machine())
    if machine() not in machines:
        machines += f", and {machine()}"  # earlier results are kept
    found |= {"machine": machines, "seed": SEED, "training": TRAINING.model_dump()}
    for place in options.data.split(","):
        bench = Bench(place, options.rows)
        rows = found.setdefault("data", {}).setdefault(place, {})

        def keep(name: str, measured: dict[str, Any], rows: dict[str, Any] = rows) -> None:
            rows[name] = measured
            for other in ("clean", *by_name):  # in the same order, whichever was measured first
                if other in rows:
                    rows[other] = rows.pop(other)
            options.json.write_text(row_a_line(found, 3) + "\n", encoding="utf-8")
            print(json.dumps({name: measured}), flush=True)

        if "clean" not in rows and not options.no_planting:
            keep("clean", bench.clean())
        for name in names:
            generator = by_name[name]
            if place == "embedded" and generator.published:
                continue  # The published rows are of SST-2.
            if name not in rows:
                keep(name, bench.quality(generator))
            elif not generator.published and not rows[name]["rows_per_second"]:
                _, rate = bench.rewritten(generator, bench.sample.texts[: generator.rows])
                keep(name, rows[name] | {"rows_per_second": rate})
            plants = not options.no_planting and (generator.rows is None or place == "sst2")
            if plants and "lfr" not in rows[name]:
                keep(name, rows[name] | bench.planted(generator))
    if options.json == trigger_quality.FOUND:
        write_tables(found)


if __name__ == "__main__":
    main()
