"""The main job for real: the embedded model and data, through the command line, killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from backend import data
from backend.base.events import EVENT, PruningStep, RunFinished
from backend.data.tokens import encode
from backend.evaluation.evaluator import predict
from backend.runs.store import open_store
from backend.spec import presets

BACKEND = [sys.executable, "-m", "backend"]


def backend(*arguments: str) -> str:
    done = subprocess.run([*BACKEND, *arguments], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_killed_on_the_way_is_finished_by_a_worker_and_its_model_is_what_it_says(
    excise_home: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*BACKEND, "run", "--preset", "smoke", "--json-events"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run = None
    for line in process.stdout:
        event = EVENT.validate_json(line)
        run = event.run
        if event.type == "stage_started" and event.stage == "fine_tune":
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    assert run is not None

    killed = time.monotonic()
    backend("worker", "--idle-exit", "30")
    assert time.monotonic() - killed < 600
    shown = json.loads(backend("show", run, "--json"))
    assert shown["state"] == "done"
    events = [event for _, event in open_store().events(run)]
    reused = [event.stage for event in events if event.type == "stage_finished" and event.reused]
    assert reused == ["generate", "poison"], "what was finished before is not done again"
    last = events[-1]
    assert isinstance(last, RunFinished) and last.state == "done"
    assert list(last.metrics) == ["poisoned", "fine_tuned", "pruned", "defended"]
    assert last.metrics["poisoned"].lfr > last.metrics["poisoned"].clean_flip_rate, "a backdoor was planted"
    steps = [event for event in events if isinstance(event, PruningStep)]
    assert sum(len(step.pruned) for step in steps) == len(last.pruned_heads) > 0
    assert steps[-1].val_acc >= steps[-1].threshold

    exported = tmp_path / "exported"
    backend("export", run, str(exported))
    results = json.loads((exported / "results.json").read_text())
    assert results["metrics"]["defended"]["acc"] == last.metrics["defended"].acc
    folder = next(path.parent for path in exported.rglob("model.safetensors"))
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    spec = presets.preset("smoke")
    test = data.load(spec.data).test
    rows = encode(AutoTokenizer.from_pretrained(folder), test, spec.data.max_length)
    assert (predict(model, rows) == np.array(test.labels)).mean() == last.metrics["defended"].acc
    listed = json.loads(backend("runs", "--json"))
    assert [item["id"] for item in listed] == [run]
