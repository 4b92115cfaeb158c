"""The speed of scoring and pruning, compared with a plain reference of the published search.

    python benchmarks/search_speed.py [--quick] [--data embedded|sst2] [--steps 10,1]
                                      [--orders gradient,layer-variance] [--json FILE]

The plain reference pads every row to 128 tokens, computes eager attention and returns its matrices,
and copies and evaluates the model from scratch at every step and every restored head.  The fairer one
copies and starts anew too, but pads to the longest row of a batch, groups rows by length and uses
fused attention.  Both and Excise make the same search in one process, step by step side by side, so
that a change of the machine's speed meets all three.  Each ends a step with ACC on 872 validation and
LFR on 912 triggered rows.

Excise may stop an evaluation early if it only decides whether a head is restored; every figure that
it reports is of all rows.

It fails if a prediction differs from the plain reference's other than on one row an evaluation whose
margin there is under 1e-4, or if other heads are pruned without such a row.

Reported too: scoring beside the same reference; the share of the machine's own rate (a 4096³ float32
matrix product in the same run) that evaluation and fine-tuning reach, counting only products of tokens
that are not padding; the peak memory of a search above the loaded model, in a process of its own.
`--quick` takes 32 + 32 rows and s = 10 and ends within a minute.  SST-2 is read from ../shared/data
(or EXCISE_SHARED_DATA)."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import spearmanr

from backend import strategies
from backend.base.components import Choice
from backend.data.tokens import Encoded
from backend.evaluation.evaluator import Evaluator
from backend.heads.grid import HeadGrid
from backend.heads.statistics import POSITIONS
from backend.heads.surgery import zeroed
from backend.models.classifiers import load_checkpoint
from backend.pruning.defender import Defender
from backend.pruning.guardrail import prune
from benchmarks.common import peak_above, same_machine, timed
from benchmarks.machine_share import machine_shares
from benchmarks.speed_case import MAX_LENGTH, ROWS_PER_BATCH, SEED, Case, make_case

Logits = Float[np.ndarray, "row class"]
Pruned = Bool[np.ndarray, "layer head"]

MARGIN = 1e-4
THRESHOLD = 0.97
"""τ as a share of the fine-tuned model's validation accuracy."""


class Engine:
    """One way to evaluate a pruned model; it remembers the logits of every grid that it was asked for."""

    def __init__(self, logits: Callable[[Pruned, str, float | None], Logits], labels: list[int]) -> None:
        self.logits = logits
        self.labels = np.asarray(labels)
        self.seen: dict[tuple[bytes, str], Logits] = {}

    def predict(self, pruned: Pruned, rows: str, stop_below: float | None = None) -> Any:
        """The predicted class of every row, -1 where an engine stopped early as the outcome was decided."""
        logits = self.logits(pruned, rows, stop_below)
        self.seen[pruned.tobytes(), rows] = logits
        return np.where(np.isnan(logits[:, 0]), -1, logits.argmax(axis=1))

    def accuracy(self, pruned: Pruned, stop_below: float | None = None) -> float:
        classes = self.predict(pruned, "validation", stop_below)
        return float(((classes == self.labels) | (classes < 0)).mean())

    def search(self, order: list[Any], grid: HeadGrid, threshold: float, s: int) -> Iterator[Pruned]:
        decide = partial(self.accuracy, stop_below=threshold)
        for step in prune(order, grid.shape, self.accuracy, threshold, s, decide=decide):
            self.predict(step.pruned, "triggered")
            yield step.pruned


def reference(case: Case, fair: bool) -> Engine:
    grid = HeadGrid(case.model)

    @torch.inference_mode()
    def logits(pruned: Pruned, name: str, stop_below: float | None) -> Logits:
        rows: Encoded = getattr(case, name)
        with grid.gated(pruned):
            model = zeroed(grid)  # a copy
        model.eval()
        model.set_attn_implementation("sdpa" if fair else "eager")
        result = np.zeros((len(rows), 2), dtype=np.float32)
        for indices in batches(rows, fair):
            result[indices] = model(**padded(rows, indices, fair), output_attentions=not fair).logits.numpy()
        return result

    return Engine(logits, case.validation.labels)


def batches(rows: Encoded, fair: bool) -> Iterator[list[int]]:
    return rows.batches_by_length(2048) if fair else rows.batches_in_order(ROWS_PER_BATCH)


def padded(rows: Encoded, indices: list[int], fair: bool) -> Any:
    features = [rows.features[i] for i in indices]
    how: Any = {"padding": "longest"} if fair else {"padding": "max_length", "max_length": MAX_LENGTH}
    return rows.tokenizer.pad(features, return_tensors="pt", **how)


def excise(case: Case) -> Engine:
    grid = HeadGrid(case.model)
    evaluators = {name: Evaluator(grid, getattr(case, name)) for name in ("validation", "triggered")}
    return Engine(
        lambda pruned, name, below: evaluators[name].logits(pruned, stop_below=below), case.validation.labels
    )


@dataclass
class Searched:
    """One search: seconds of each engine, and how predictions compare."""

    s: int
    order: str
    seconds: dict[str, float] = field(default_factory=dict)
    evaluations: int = 0
    pruned: int = 0
    close_rows: int = 0
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        plain, fair, ours = (self.seconds[name] for name in ("plain", "fair", "excise"))
        return {**vars(self), "speed_up": plain / ours, "speed_up_over_fair": fair / ours}


def search(case: Case, order: str, s: int) -> Searched:
    """All three engines along `order`, a step of each in turn."""
    grid = HeadGrid(case.model)
    defender = make_defender(case)
    heads = strategies.score(defender, Choice(name=order)).order
    case.model.eval()
    threshold = THRESHOLD * defender.accuracy(np.zeros(grid.shape, dtype=bool))
    engines = {"plain": reference(case, False), "fair": reference(case, True), "excise": excise(case)}
    running = {name: engine.search(heads, grid, threshold, s) for name, engine in engines.items()}
    found = Searched(s, order, dict.fromkeys(engines, 0.0))
    last: dict[str, Pruned] = {}
    while running:
        for name in list(running):
            began = time.perf_counter()
            pruned = next(running[name], None)
            found.seconds[name] += time.perf_counter() - began
            if pruned is None:
                del running[name]
            else:
                last[name] = pruned.copy()
    compare(engines["plain"], engines["excise"], last["plain"], last["excise"], found)
    return found


def compare(plain: Engine, ours: Engine, plain_pruned: Pruned, our_pruned: Pruned, found: Searched) -> None:
    """Add every difference that must not be to `found.wrong`."""
    found.evaluations, found.pruned = len(plain.seen), int(our_pruned.sum())
    for state in plain.seen.keys() & ours.seen.keys():
        expected, logits = plain.seen[state], ours.seen[state]
        done = ~np.isnan(logits[:, 0])  # the rest was not needed for the decision
        differs = done & (expected.argmax(axis=1) != logits.argmax(axis=1))
        margins = np.abs(expected[:, 0] - expected[:, 1])[differs]
        found.close_rows += int(differs.sum())
        if differs.sum() > 1 or (margins >= MARGIN).any():
            found.wrong.append(f"{differs.sum()} predictions differ, with margins {margins.tolist()}")
    same = plain.seen.keys() == ours.seen.keys() and (plain_pruned == our_pruned).all()
    if not same and not found.close_rows:
        found.wrong.append("other heads were pruned although every prediction was the same")


def make_defender(case: Case) -> Defender:
    return Defender(
        model=case.model,
        train=case.train.take(range(min(256, len(case.train)))),
        validation=case.validation,
        threshold=0.0,
        prune_step=1,
        seed=SEED,
    )


@torch.inference_mode()
def reference_statistic(case: Case, rows: Encoded, fair: bool) -> Float[np.ndarray, "row layer head"]:
    """The statistic as the published scripts compute it: from full attention matrices."""
    result = np.zeros((len(rows), *HeadGrid(case.model).shape), dtype=np.float32)
    case.model.set_attn_implementation("eager")
    for indices in batches(rows, fair):
        matrices = case.model(**padded(rows, indices, fair), output_attentions=True).attentions
        first = torch.stack([matrix[:, :, 0, :POSITIONS] for matrix in matrices], dim=1)
        first = torch.nn.functional.pad(first, (0, POSITIONS - first.shape[-1]))
        result[indices] = first.var(-1).numpy()
    return result


def variance(case: Case, times: int) -> dict[str, Any]:
    """The variance score beside the reference's, in turn: median seconds, and whether they agree."""
    defender = make_defender(case)
    case.model.eval()
    seconds: dict[str, list[float]] = {"plain": [], "excise": []}
    for _ in range(times):
        plain, theirs = timed(lambda: reference_statistic(case, case.validation, False).mean(axis=0))
        ours, mine = timed(defender.cls_variance)
        seconds["plain"].append(plain)
        seconds["excise"].append(ours)
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    return {name: statistics.median(each) for name, each in seconds.items()} | {
        "speed_up": statistics.median(ratios),
        "each": ratios,
        "greatest_difference": float(np.abs(theirs - mine).max() / theirs.max()),
    }


def scoring(case: Case, quick: bool) -> dict[str, Any]:
    """Monte-Carlo scores beside the reference's: seconds, and whether they agree."""
    defender = make_defender(case)
    passes = 2 if quick else 10
    figures: dict[str, Any] = {"passes": passes}
    case.model.train()
    plain, _ = timed(lambda: [reference_statistic(case, case.validation, False) for _ in range(passes)])
    case.model.eval()
    ours, _ = timed(lambda: list(defender.cls_variance_passes(passes)))
    figures["bayesian"] = {"plain": plain, "excise": ours, "speed_up": plain / ours}
    if not quick:
        figures["bayesian"] |= rank_correlation(case)
    return figures


def rank_correlation(case: Case, passes: int = 100, rows: int = 200) -> dict[str, Any]:
    """Of the Monte-Carlo scores with those of the reference, which has other random numbers; and of the
    reference with itself, which shows how much of the difference is chance at that number of passes.

    `mean_from_rows` estimates the same as `mean` with less noise: the dropout of one row is independent of
    another's, so the variance of the mean over rows is the sum of theirs over their number squared."""
    sample = case.validation.sample(rows, SEED)
    defender = make_defender(case)
    defender.validation = sample
    ours = np.stack(list(defender.cls_variance_passes(passes)))
    case.model.train()
    torch.manual_seed(SEED + 1)
    theirs, again = (
        np.stack([reference_statistic(case, sample, True) for _ in range(passes)]) for _ in range(2)
    )
    case.model.eval()
    spreads: dict[str, Callable[[Any], Any]] = {
        "mean": lambda scores: scores.mean(axis=1).std(axis=0, ddof=1),
        "sample": lambda scores: scores.std(axis=0, ddof=1).mean(axis=0),
        "mean_from_rows": lambda scores: scores.var(axis=0, ddof=1).sum(axis=0) ** 0.5 / scores.shape[1],
    }
    figures: dict[str, Any] = {"rank_passes": passes, "rank_rows": rows}
    for name, spread in spreads.items():
        own, other, third = (spread(scores).ravel() for scores in (ours, theirs, again))
        figures[f"rank_correlation_{name}"] = float(spearmanr(own, other).statistic)
        figures[f"rank_correlation_{name}_of_the_reference_with_itself"] = float(
            spearmanr(other, third).statistic
        )
    return figures


def memory(case: Case) -> dict[str, float]:
    """Peak memory of a search in GiB above the loaded model, for several limits on kept activations."""
    peaks = {}
    np.save(case.scratch / "order.npy", np.random.default_rng(SEED).permutation(72))
    for name in ("validation", "triggered"):
        rows: Encoded = getattr(case, name)
        (case.scratch / f"{name}.json").write_text(json.dumps([rows.features, rows.labels]))
    for bound in (512, 128, 0):
        command = [sys.executable, __file__, "--memory-of", str(case.scratch), "--keep", str(bound)]
        peaks[f"{bound} MiB kept for each set of rows"] = float(subprocess.check_output(command, text=True))
    return peaks


def peak_memory(scratch: Path, keep: int) -> float:
    """GiB of one search in this process."""
    model = load_checkpoint(scratch / "model")
    grid = HeadGrid(model)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(scratch / "model")
    evaluators = [
        Evaluator(grid, Encoded(*json.loads((scratch / f"{name}.json").read_text()), tokenizer), keep << 20)
        for name in ("validation", "triggered")
    ]
    with torch.inference_mode():
        model(torch.zeros(1, 1, dtype=torch.long))  # the libraries' own workspaces
    order = [divmod(int(i), grid.heads) for i in np.load(scratch / "order.npy")]

    def search() -> None:
        for step in prune(order, grid.shape, evaluators[0].accuracy, 0.0, 10):
            evaluators[1].logits(step.pruned)

    return peak_above(search)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="few rows, s = 10: within a minute")
    arguments.add_argument("--data", default="embedded", choices=["embedded", "sst2"])
    arguments.add_argument("--steps", default="10,1", help="prune steps s")
    arguments.add_argument("--orders", default="gradient,layer-variance")
    arguments.add_argument("--parts", default="search,variance,scoring,shares,memory", help="what to measure")
    arguments.add_argument("--json", type=Path, help="a file to write the figures to")
    arguments.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--keep", type=int, default=0, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.memory_of:
        print(peak_memory(asked.memory_of, asked.keep))
        return
    found: dict[str, Any] = {}
    if asked.json and asked.json.is_file():
        found = json.loads(asked.json.read_text(encoding="utf-8"))
    wrong = []
    found |= {"machine": same_machine(found, asked.json), "data": asked.data}
    with tempfile.TemporaryDirectory() as scratch:
        case = make_case(asked.data, asked.quick, Path(scratch))
        found["rows"] = {"validation": len(case.validation), "triggered": len(case.triggered)}
        if "search" in asked.parts:
            found["searches"] = []
            for s in [10] if asked.quick else [int(s) for s in asked.steps.split(",")]:
                for order in asked.orders.split(","):
                    searched = search(case, order, s)
                    wrong += searched.wrong
                    found["searches"].append(searched.as_json())
                    print(json.dumps(found["searches"][-1]), file=sys.stderr, flush=True)
        if "variance" in asked.parts:
            found["variance"] = variance(case, 1 if asked.quick else 5)
        if "scoring" in asked.parts:
            found["scoring"] = scoring(case, asked.quick)
        if "shares" in asked.parts:
            found["share_of_machine"] = machine_shares(case, asked.quick)
        if "memory" in asked.parts and not asked.quick:
            found["peak_memory_gib"] = memory(case)
    text = json.dumps(found, indent=1)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    if wrong:
        sys.exit("Predictions differ from the reference: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
