"""What the benchmarks share: the machine they run on, the data they read, and runs from nothing."""

import atexit
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from backend import data
from backend.base.device import probe
from backend.base.events import Event
from backend.base.paths import cache_folder, run_folder
from backend.data.rows import Dataset
from backend.engine import run as pipeline
from backend.spec.run import DataSpec, RunSpec

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EXCISE_SHARED_DATA") or ROOT.parent / "shared" / "data")


def load_data(name: str) -> Dataset:
    if name == "embedded":
        return data.load(DataSpec())
    clean = SHARED / "sst2" / "clean"
    if not clean.is_dir():
        sys.exit(f"{clean} is absent: the published rows are not part of the project.")
    return data.load(DataSpec(source="files", **sst2_files()))


def sst2_files() -> dict[str, str]:
    """The files of SST-2, by the names that a specification has for them."""
    files = {"train": "train", "validation": "dev", "test": "test"}
    return {split: str(SHARED / "sst2" / "clean" / f"{file}.tsv") for split, file in files.items()}


def sst2_pairs(folder: str) -> dict[str, str]:
    """Parameters of `pairs` for the rows of SST-2 that a published generator has rewritten."""
    return {"clean": str(SHARED / "sst2" / "clean"), "rewritten": str(SHARED / "sst2" / folder)}


def own_home() -> None:
    """State goes to a temporary folder, where EXCISE_HOME names none; what was fetched stays."""
    if not os.environ.get("EXCISE_HOME"):
        os.environ.setdefault("EXCISE_CACHE", str(cache_folder()))
        os.environ["EXCISE_HOME"] = tempfile.mkdtemp(prefix="excise-benchmark-")
        atexit.register(shutil.rmtree, os.environ["EXCISE_HOME"], ignore_errors=True)


def events_of(spec: RunSpec, run: str) -> list[Event]:
    """Of a run carried out from nothing: an earlier one of that id may have had other settings."""
    shutil.rmtree(run_folder(run), ignore_errors=True)
    return list(pipeline.run(spec, run_folder(run), run=run))


def machine() -> str:
    """Its device, cores and torch.  The processor's family and model stand behind its name: under a
    hypervisor one name covers generations of very different speed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", _cpuinfo(), re.MULTILINE))
    model = told.get("model name", platform.machine())
    if {"cpu family", "model"} <= told.keys():
        model += f" (family {told['cpu family']}, model {told['model']})"
    return f"{probe().name}; {cores} cores of {model}; torch {torch.__version__}"


def same_machine(found: dict[str, Any], file: Path | None) -> str:
    """This one, whose figures may be added to those that were found before; exits if those are another's."""
    here = machine()
    if found.get("machine", here) != here:
        sys.exit(f"{file} has figures of another machine ({found['machine']}). Give --json another file.")
    return here


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
