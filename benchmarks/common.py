"""What the benchmarks share: the machine they run on, and the data they read."""

import os
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from backend import data
from backend.data.rows import Dataset
from backend.device import probe
from backend.spec import DataSpec

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EXCISE_SHARED_DATA") or ROOT.parent / "shared" / "data")


def load_data(name: str) -> Dataset:
    if name == "embedded":
        return data.load(DataSpec())
    clean = SHARED / "sst2" / "clean"
    if not clean.is_dir():
        sys.exit(f"{clean} is absent: the published rows are not part of the project.")
    files = {
        split: str(clean / f"{file}.tsv")
        for split, file in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    return data.load(DataSpec(source="files", **files))


def machine() -> str:
    """Its device, cores and torch.  The processor's family and model stand behind its name: under a
    hypervisor one name covers generations of very different speed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", _cpuinfo(), re.MULTILINE))
    model = told.get("model name", platform.machine())
    if {"cpu family", "model"} <= told.keys():
        model += f" (family {told['cpu family']}, model {told['model']})"
    return f"{probe().name}; {cores} cores of {model}; torch {torch.__version__}"


def peak_above(work: Callable[[], object]) -> float:
    """GiB that `work` takes at its peak above what this process holds before (Linux alone tells)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmRSS")
    work()
    return (_resident("VmHWM") - before) / 2**20


def _resident(field: str) -> int:
    """KiB, as the kernel counts them."""
    found = re.search(rf"^{field}:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
