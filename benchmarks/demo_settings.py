"""The results of the demo: plant one backdoor, then defend with every strategy in turn.

    python benchmarks/demo_settings.py [--strategies bayesian,gradient] [--seeds 11,12] [--json FILE]

Prints a Markdown table: what pruning alone achieved, what the second fine-tuning achieved with
the heads pruned, and what the same second fine-tuning achieves with no head pruned (the control).
State goes to a temporary folder, or to EXCISE_HOME if set."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend import strategies
from backend.base.device import probe
from backend.base.events import Metrics, RunFinished
from backend.spec import presets
from backend.spec.run import ModelSpec, RunSpec
from benchmarks.common import events_of, own_home


def finish(spec: RunSpec, run: str) -> RunFinished:
    """The last event of a run of `spec`; exits where it failed."""
    last = events_of(spec, run)[-1]
    assert isinstance(last, RunFinished)
    if last.state != "done":
        sys.exit(f"{run}: {last.error}")
    return last


def plant(seed: int) -> tuple[str, RunFinished]:
    spec = presets.preset("demo")
    spec.defense, spec.seed = None, seed
    run = f"demo-victim-{seed}"
    return run, finish(spec, run)


def defend(victim: str, name: str, seed: int) -> RunFinished:
    spec = presets.preset("demo")
    assert spec.defense is not None
    spec.attack, spec.seed = None, seed
    spec.model = ModelSpec(source="run", name=victim)
    if name != spec.setting("strategy").name:
        spec.defense.params["strategy"] = {"name": name}
    return finish(spec, f"{victim}-{name}")


def cell(metrics: Metrics) -> str:
    assert metrics.lfr is not None and metrics.lfr_interval is not None
    low, high = metrics.lfr_interval
    return f"{metrics.acc:.3f} | {metrics.lfr:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--strategies", default=",".join(strategies.COMPONENTS))
    parser.add_argument("--seeds", default="11")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    own_home()
    print(f"Machine: {probe().name}, {os.cpu_count()} cores\n")
    print("| seed | strategy | heads | ACC pruned | LFR pruned | ACC defended | LFR defended | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    results = []
    for seed in map(int, options.seeds.split(",")):
        victim, planted = plant(seed)
        row = f"| {seed} | planted | 0 | {cell(planted.metrics['poisoned'])} "
        print(f"{row}| | | {planted.seconds:.0f} |", flush=True)
        results.append({"seed": seed, "strategy": "planted", "run": planted.model_dump(mode="json")})
        for name in options.strategies.split(","):
            began = time.monotonic()
            last = defend(victim, name, seed)
            row = f"| {seed} | {name} | {len(last.pruned_heads)} | {cell(last.metrics['pruned'])} "
            print(f"{row}| {cell(last.metrics['defended'])} | {time.monotonic() - began:.0f} |", flush=True)
            results.append({"seed": seed, "strategy": name, "run": last.model_dump(mode="json")})
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
