"""Everything that computes on a CUDA GPU, where there is one: in processes of its own, for the other tests
see none."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from backend.base.events import RunStarted
from backend.base.paths import ROOT
from backend.data.tokens import encode
from backend.evaluation.evaluator import logits
from backend.models.classifiers import load_checkpoint
from backend.runs.store import open_store
from backend.studies import store as records
from backend.studies.built_in import BASELINES, CONTROLS, HYBRIDS, PUBLISHED, STRATEGIES
from tests.tiny import tiny_rows, tiny_tokenizer

LOGITS = """
import json, sys
from pathlib import Path
from tests.test_gpu import tiny_logits
print(json.dumps(tiny_logits(Path(sys.argv[1]))))
"""


def tiny_logits(folder: Path) -> list[list[float]]:
    rows = encode(tiny_tokenizer(), tiny_rows(24), 64)
    found: list[list[float]] = logits(load_checkpoint(folder), rows).tolist()
    return found


@pytest.fixture
def gpu() -> dict[str, str]:
    """The environment of a process that sees the machine's GPUs."""
    seen = os.environ | {"CUDA_VISIBLE_DEVICES": os.environ["EXCISE_TEST_GPUS"]}
    if seen["CUDA_VISIBLE_DEVICES"] == "all":
        del seen["CUDA_VISIBLE_DEVICES"]
    asks = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if torch.version.cuda is None or subprocess.run([sys.executable, "-c", asks], env=seen).returncode:
        pytest.skip("there is no CUDA GPU here")
    return seen


def test_a_gpu_gives_the_logits_of_a_cpu(gpu: dict[str, str], victim: Path) -> None:
    command = [sys.executable, "-c", LOGITS, str(victim)]
    told = subprocess.run(command, env=gpu, cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE).stdout
    here = np.array(tiny_logits(victim))
    # bf16 has 8 bits of precision.
    assert np.allclose(json.loads(told), here, rtol=0, atol=0.05 * np.abs(here).max())


def test_every_defense_works_on_a_gpu(gpu: dict[str, str], settings: dict[str, Any], tmp_path: Path) -> None:
    """But for ONION, which needs a language model."""
    defenses = BASELINES | CONTROLS | STRATEGIES | PUBLISHED | HYBRIDS
    victims = {"rare words": {part: settings.pop(part) for part in ("trigger", "attack")}}
    seeds = [settings.pop("seed")]
    grid = {"name": "GPU", "base": settings, "victims": victims, "seeds": seeds}
    grid["defenses"] = {name: own for name, own in defenses.items() if name != "ONION"}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(grid), encoding="utf-8")
    command = [sys.executable, "-m", "backend", "study", str(file), "--json"]
    done = subprocess.run(command, env=gpu, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout
    store = open_store()
    [record] = records.studies(store)
    assert len(record.runs) == len(grid["defenses"])
    for run in record.runs.values():
        [(_, started)] = store.events(run.id, types=["run_started"])
        assert isinstance(started, RunStarted) and not started.device.startswith("CPU")
