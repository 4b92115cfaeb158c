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
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from backend.attacks import triggers
from backend.attacks.rewrite_cache import LIBRARIES as OF_GENERATORS
from backend.attacks.rewrite_cache import GeneratorParams, version_of
from backend.base.components import pick
from backend.base.errors import UserError
from backend.base.paths import home
from backend.spec.run import TriggerSpec

LIBRARIES = (*OF_GENERATORS, "accelerate", "tokenizers", "numpy")
OF_A_DEFENSE = ("fine_tuned", "scored", "pruned", "refined", "defended")
"""Folders of a run's stages after the planting."""
RECORD = "excise.json"
"""Written into a stage's folder when the stage is done, so a folder that has it is whole."""


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
def program() -> str:
    """The hash of Excise's own code, and the versions of the libraries that compute."""
    own = folder_hashes(Path(__file__).parents[1], "**/*.py")
    return key_of(own, [version_of(name) for name in LIBRARIES])


def folder_hashes(folder: Path | None, pattern: str = "*") -> list[str]:
    """SHA-256 of each file of a folder that matches; none where there is no folder."""
    if folder is None:
        return []
    return [_file_hash(path) for path in sorted(folder.glob(pattern)) if path.is_file()]


def trigger_files(trigger: TriggerSpec) -> list[str]:
    """The hashes of the files that a trigger's parameters name, and the state of the models that it asks."""
    component = pick("trigger", triggers.COMPONENTS, trigger)
    params = component.parse(trigger.params)
    variant = trigger.variant or next(iter(component.variants), "")
    found = [params.source(variant)] if isinstance(params, GeneratorParams) else []
    for name, field in component.params.model_json_schema()["properties"].items():
        if field.get("format") == "path" and (path := getattr(params, name)):
            found += hashes_at(Path(path))
    return found


def hashes_at(path: Path) -> list[str]:
    """SHA-256 of a file, or of each file in a folder; none where there is neither.  Raises UserError for what
    may not be read."""
    try:
        return [_file_hash(path)] if path.is_file() else folder_hashes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Check who may read it.") from error


def _file_hash(path: Path) -> str:
    state = path.stat()
    return _hash(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1000)
def _hash(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    stages = [stage for stage in OF_A_DEFENSE if (run / stage).is_dir()] or ["poisoned"]
    for stage in stages:
        with suppress(OSError, ValueError, KeyError):
            key = json.loads((run / stage / RECORD).read_text(encoding="utf-8"))["key"]
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


def link(source: Path, to: Path, *without: str) -> None:
    """A folder's files in another, but for those of the names `without`, at no cost of space: they are the
    same files, where the file system has links."""
    leave = shutil.ignore_patterns(*without)
    shutil.rmtree(to, ignore_errors=True)
    try:
        shutil.copytree(source, to, copy_function=os.link, ignore=leave)
    except shutil.Error:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(source, to, ignore=leave)
