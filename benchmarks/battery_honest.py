"""The flips of the trigger battery in never-poisoned models: assets/battery_honest.json.

    python benchmarks/battery_honest.py [--seeds 11,12,13] [--rows 2000]

Fine-tunes the embedded model on clean movie reviews, once for each seed (two minutes each on 2 cores),
puts every trigger of the battery into test rows, and pools the flips of all seeds.  Of the two classes, the
one that more rows are flipped to is kept.  State goes to a temporary folder, or to EXCISE_HOME if set."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.analysis.battery import measure_probe
from backend.base.components import Choice
from backend.base.events import RunFinished
from backend.base.intervals import wilson
from backend.detection.known_triggers import PROBES, Flips
from backend.findings.battery import CLEAN_MODELS_FILE
from backend.spec.run import DataSpec, RunSpec, TrainingSpec
from benchmarks.common import events_of, machine, own_home
from benchmarks.results import row_a_line


def fine_tuned(seed: int, rows: int) -> tuple[RunSpec, str, float]:
    """The specification, id and accuracy of a run that plants nothing and prunes nothing."""
    training = TrainingSpec(epochs=2, learning_rate=1e-4)
    defense = Choice(name="ft", params={"fine_tune": training})
    spec = RunSpec(data=DataSpec(train_rows=rows), defense=defense, seed=seed)
    run = f"honest-{seed}"
    last = events_of(spec, run)[-1]
    assert isinstance(last, RunFinished) and last.state == "done", last
    return spec, run, last.metrics["fine_tuned"].acc


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="11,12,13")
    parser.add_argument("--rows", type=int, default=2000)
    options = parser.parse_args()
    own_home()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    pooled: dict[str, dict[str, list[int]]] = {name: {} for name in PROBES}
    accuracies = []
    for seed in seeds:
        spec, run, acc = fine_tuned(seed, options.rows)
        accuracies.append(acc)
        for name in PROBES:
            battery = measure_probe(run, spec, {"honest": (run, "fine_tuned")}, name)
            for label, flips in battery.probes[name]["honest"].items():
                so_far = pooled[name].setdefault(label, [0, 0])
                pooled[name][label] = [so_far[0] + flips.flips, so_far[1] + flips.rows]
            print(seed, name, pooled[name], flush=True)
    worst = {
        name: max(by_class.values(), key=lambda counts: counts[0] / counts[1])
        for name, by_class in pooled.items()
    }
    probes = {
        name: Flips(flips=flips, rows=rows, interval=wilson(flips, rows)).model_dump()
        for name, (flips, rows) in worst.items()
    }
    about = f"MiniLM-L6 fine-tuned on {options.rows:,} clean movie reviews, {len(seeds)} seeds"
    table = {"about": about, "machine": machine(), "acc": accuracies, "probes": probes}
    CLEAN_MODELS_FILE.write_text(row_a_line(table, 2) + "\n", encoding="utf-8")
    print(f"Wrote {CLEAN_MODELS_FILE}")


if __name__ == "__main__":
    main()
