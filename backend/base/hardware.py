"""The hardware of this machine, read without torch."""

import os
import shutil
import subprocess
from functools import cache

import psutil

from backend.base.paths import home


@cache
def processors() -> str:
    """The GPUs by name and memory, or the CPU cores that this process may use."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
        gpus = [line.rsplit(",", 1) for line in listing.splitlines() if "," in line]
        if gpus:
            return ", ".join(f"{name}, {int(memory) / 1024:.0f} GB" for name, memory in gpus)
    except (OSError, subprocess.SubprocessError, ValueError):
        pass
    return f"CPU, {cores()} cores"


def facts() -> list[str]:
    """Device, memory and disk, each in a few words."""
    memory = psutil.virtual_memory()
    free = shutil.disk_usage(home()).free
    return [
        processors(),
        f"{memory.available / 1e9:.0f} of {memory.total / 1e9:.0f} GB memory free",
        f"{free / 1e9:.0f} GB disk free",
    ]


def cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
