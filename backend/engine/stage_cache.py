"""The stage cache: finished stages that runs share, such as one poisoning for every run that needs the same.

The key of a stage is the hash of everything that determines its result.  Its folder is hard-linked, not
copied, into the folder of each run that uses it, so it takes disk space once; a stage that no run uses any
more is removed."""

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
"""Folders of the stages that come before the defense."""


def key_of(*parts: Any) -> str:
    """The hash of settings and earlier keys, in the given order."""
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
    """The hash of the versions of the libraries that results depend on."""
    return key_of([version_of(name) for name in LIBRARIES])


def fetch(key: str, place: Path) -> bool:
    """Link the stage of that key to `place`; False if no run has finished it, or it is being removed."""
    stage = _folder() / key
    if not (stage / RECORD).is_file():
        return False
    hidden = place.with_name(f".{place.name}-{os.getpid()}")
    try:
        link(stage, hidden)
        shutil.rmtree(place, ignore_errors=True)
        hidden.rename(place)
    except (shutil.Error, OSError):
        return False
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return True


def offer(key: str, place: Path) -> None:
    """Add the finished stage at `place` to the cache, unless it is there or the disk cannot hold it."""
    cached = _folder() / key
    if cached.is_dir():
        return
    with suppress(shutil.Error, OSError), tempfile.TemporaryDirectory(dir=_folder(), prefix=".") as scratch:
        link(place, Path(scratch) / "stage")
        (Path(scratch) / "stage").rename(cached)


def withdraw(key: str) -> None:
    """Remove a damaged stage from the cache."""
    with suppress(OSError):
        _remove(_folder() / key)


def withdraw_defense(run: Path) -> None:
    """Remove from the cache the stages of the run in this folder that come after the planting (the planting
    if there are no others), so that an equal run computes them again."""
    finished = [record.parent for record in run.glob(f"[!.]*/{RECORD}")]
    stages = [stage for stage in finished if stage.name not in PLANTING] or [run / "poisoned"]
    for stage in stages:
        with suppress(OSError, ValueError, KeyError):
            key = read_record(stage)["key"]
            if str(key).isalnum():
                withdraw(key)


def sweep() -> None:
    """Remove the stages that no run's folder links to any more."""
    for record in _folder().glob(f"[!.]*/{RECORD}"):
        with suppress(OSError):
            if record.stat().st_nlink == 1:
                _remove(record.parent)


def _remove(stage: Path) -> None:
    """Rename it first, so that no run links an incomplete stage."""
    hidden = stage.with_name(f".{stage.name}-{os.getpid()}")
    stage.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _folder() -> Path:
    folder = home() / "stages"
    folder.mkdir(exist_ok=True)
    return folder
