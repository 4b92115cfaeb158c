"""What the trigger battery finds in models that were never poisoned: assets/battery_honest.json.

    python benchmarks/battery_honest.py [--seeds 11,12,13] [--rows 2000]

Fine-tunes the embedded model on clean movie reviews, once for each seed (two minutes each on 2 cores),
puts every trigger of the battery into test rows, and pools the flips of all seeds.  Of the two classes the
one that more rows are flipped to is kept.  State goes to a temporary folder, or to EXCISE_HOME where that
is set."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend.analysis.battery import PROBES, Flips, measure_probe
from backend.base.components import Choice
from backend.base.events import RunFinished
from backend.base.intervals import wilson
from backend.findings.battery import HONEST
from backend.spec.run import DataSpec, RunSpec, TrainingSpec
from benchmarks.common import events_of, machine, own_home
from benchmarks.results import row_a_line


def fine_tuned(seed: int, rows: int) -> tuple[RunSpec, str, float]:
    """A run that plants nothing and prunes nothing, its id, and its accuracy."""
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
    asked = parser.parse_args()
    own_home()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    pooled: dict[str, dict[str, list[int]]] = {name: {} for name in PROBES}
    accuracies = []
    for seed in seeds:
        spec, run, acc = fine_tuned(seed, asked.rows)
        accuracies.append(acc)
        for name in PROBES:
            made = measure_probe(run, spec, {"honest": (run, "fine_tuned")}, name)
            for label, flips in made.probes[name]["honest"].items():
                so_far = pooled[name].setdefault(label, [0, 0])
                pooled[name][label] = [so_far[0] + flips.flips, so_far[1] + flips.rows]
            print(seed, name, pooled[name], flush=True)
    worst = {name: max(found.values(), key=lambda both: both[0] / both[1]) for name, found in pooled.items()}
    probes = {
        name: Flips(flips=flips, rows=rows, interval=wilson(flips, rows)).model_dump()
        for name, (flips, rows) in worst.items()
    }
    about = f"MiniLM-L6 fine-tuned on {asked.rows:,} clean movie reviews, {len(seeds)} seeds"
    found = {"about": about, "machine": machine(), "acc": accuracies, "probes": probes}
    HONEST.write_text(row_a_line(found, 2) + "\n", encoding="utf-8")
    print(f"Wrote {HONEST}")


if __name__ == "__main__":
    main()
