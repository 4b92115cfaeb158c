"""Finished stages that runs share: one poisoning, one fine-tuning for every run that needs the same.

A stage is known by the hash of everything that determines what it finds.  Its folder is linked, not
copied, into the folder of each run that takes it, so it costs its space once; what no run holds any
more is swept away."""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from backend.base.checkpoints import RECORD, read_record
from backend.base.files import link, version_of
from backend.base.paths import home

LIBRARIES = (
    *("spacy", "lemminflect", "torch", "transformers", "OpenAttack"),
    *("accelerate", "tokenizers", "numpy"),
)
PLANTING = ("generated", "poisoned")
"""Folders of a run's stages before its defense."""


def key_of(*parts: Any) -> str:
    """The hash of settings and earlier keys, in this order."""
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain(part: Any) -> Any:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json")
    if is_dataclass(part) and not isinstance(part, type):
        return asdict(part)
    return str(part)


@cache
def libraries() -> str:
    """The versions of the libraries that compute."""
    return key_of([version_of(name) for name in LIBRARIES])


def fetch(key: str, place: Path) -> bool:
    """Link the stage of that key to `place`; False if nobody finished it yet, or it is being swept away."""
    found = _folder() / key
    if not (found / RECORD).is_file():
        return False
    hidden = place.with_name(f".{place.name}-{os.getpid()}")
    try:
        link(found, hidden)
        shutil.rmtree(place, ignore_errors=True)
        hidden.rename(place)
    except (shutil.Error, OSError):
        return False
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return True


def offer(key: str, place: Path) -> None:
    """Let others have the finished stage at `place`, if the disk can hold it and nobody was faster."""
    kept = _folder() / key
    if kept.is_dir():
        return
    with suppress(shutil.Error, OSError), tempfile.TemporaryDirectory(dir=_folder(), prefix=".") as scratch:
        link(place, Path(scratch) / "stage")
        (Path(scratch) / "stage").rename(kept)


def withdraw(key: str) -> None:
    """Let nobody have a stage that turned out to be damaged."""
    with suppress(OSError):
        _remove(_folder() / key)


def withdraw_defense(run: Path) -> None:
    """Let nobody have what the run in this folder found or took over after the planting, so that another run
    like it does that anew; the planting where there is no more."""
    finished = [record.parent for record in run.glob(f"[!.]*/{RECORD}")]
    stages = [stage for stage in finished if stage.name not in PLANTING] or [run / "poisoned"]
    for stage in stages:
        with suppress(OSError, ValueError, KeyError):
            key = read_record(stage)["key"]
            if str(key).isalnum():
                withdraw(key)


def sweep() -> None:
    """Remove the stages that no run's folder holds any more."""
    for record in _folder().glob(f"[!.]*/{RECORD}"):
        with suppress(OSError):
            if record.stat().st_nlink == 1:
                _remove(record.parent)


def _remove(stage: Path) -> None:
    """Out of sight first, so that nobody takes half of it."""
    hidden = stage.with_name(f".{stage.name}-{os.getpid()}")
    stage.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _folder() -> Path:
    folder = home() / "stages"
    folder.mkdir(exist_ok=True)
    return folder
