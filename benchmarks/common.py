"""Shared by the benchmarks: the machine's name, the data, and runs without resuming."""

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
from backend.engine.run import run as run_engine
from backend.spec.run import DataSpec, RunSpec

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EXCISE_SHARED_DATA") or ROOT.parent / "shared" / "data")


def load_data(name: str) -> Dataset:
    if name == "embedded":
        return data.load(DataSpec())
    clean = SHARED / "sst2" / "clean"
    if not clean.is_dir():
        sys.exit(f"{clean} is missing. The published rows are not part of the project.")
    return data.load(DataSpec(source="files", **sst2_files()))


def sst2_files() -> dict[str, str]:
    """The files of SST-2 by split, as a specification names them."""
    files = {"train": "train", "validation": "dev", "test": "test"}
    return {split: str(SHARED / "sst2" / "clean" / f"{file}.tsv") for split, file in files.items()}


def sst2_pairs(folder: str) -> dict[str, str]:
    """Parameters of `pairs` for the rows of SST-2 rewritten by a published generator."""
    return {"clean": str(SHARED / "sst2" / "clean"), "rewritten": str(SHARED / "sst2" / folder)}


def own_home() -> None:
    """Use a temporary state folder unless EXCISE_HOME is set; the download cache stays."""
    if not os.environ.get("EXCISE_HOME"):
        os.environ.setdefault("EXCISE_CACHE", str(cache_folder()))
        os.environ["EXCISE_HOME"] = tempfile.mkdtemp(prefix="excise-benchmark-")
        atexit.register(shutil.rmtree, os.environ["EXCISE_HOME"], ignore_errors=True)


def events_of(spec: RunSpec, run: str) -> list[Event]:
    """The events of a run from its start: an earlier run of that id may have had other settings."""
    shutil.rmtree(run_folder(run), ignore_errors=True)
    return list(run_engine(spec, run_folder(run), run=run))


def machine() -> str:
    """This machine's device, cores and torch.  The processor's family and model follow its name: under a
    hypervisor one name covers generations of very different speed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", _cpuinfo(), re.MULTILINE))
    model = fields.get("model name", platform.machine())
    if {"cpu family", "model"} <= fields.keys():
        model += f" (family {fields['cpu family']}, model {fields['model']})"
    return f"{probe().name}; {cores} cores of {model}; torch {torch.__version__}"


def same_machine(figures: dict[str, Any], file: Path | None) -> str:
    """This machine; exits if the earlier figures, to which new ones are added, are of another machine."""
    here = machine()
    if figures.get("machine", here) != here:
        sys.exit(f"{file} has figures of another machine ({figures['machine']}). Give --json another file.")
    return here


def peak_above(work: Callable[[], object]) -> float:
    """Peak memory of `work` in GiB above what this process used before (Linux only)."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _resident("VmRSS")
    work()
    return (_resident("VmHWM") - before) / 2**20


def _resident(field: str) -> int:
    """A memory field of this process in KiB."""
    match = re.search(rf"^{field}:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match.group(1))


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
