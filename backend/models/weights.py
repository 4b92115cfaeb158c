"""Which files hold a model's weights: vetted before anything loads or hashes them.  No torch here.

transformers opens whatever file an index names: it unpickles `*.bin` in spite of `use_safetensors=True`, and
follows `../`.  So every model is vetted here first, and a hub model is loaded from its folder in the hub's
cache."""

import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from backend.base.errors import UserError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
# Where one such file lies, transformers reads every .safetensors file of the folder and no index.
DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors", re.ASCII)
# Settings, at any depth, that make transformers read other files than SINGLE or those of INDEX.
ELSEWHERE = ("transformers_weights", "attribute_map")
BESIDE_WEIGHTS = ("*.json", "*.txt", "*.model", "*.jinja", "*.md")


def weight_files(folder: Path, called: str = "") -> list[Path]:
    """The files that transformers loads weights from: `model.safetensors`, or else the index and its shards.

    Raises UserError, in which the model is `called` so, if not all are safetensors inside `folder`."""
    called = called or str(folder)
    _require_no_detour(folder, called)
    if (folder / SINGLE).is_file():
        shards = [SINGLE]
        files = [folder / SINGLE]
    elif (folder / INDEX).is_file():
        shards = shard_names(folder / INDEX, called)
        files = sorted([folder / INDEX, *(folder / name for name in shards)])
    else:
        raise UserError(
            f"The model {called} holds no .safetensors weights that can be loaded: neither {SINGLE} "
            f"nor {INDEX}. Save it with save_pretrained, which writes them."
        )
    for file in files:
        _require_inside(folder, file, called)
    for name in shards:
        _require_safetensors(folder / name, called)
    return files


def shard_names(index: Path, called: str) -> list[str]:
    """The file names in an index, which may or may not be there.  Raises UserError for one that is no plain
    `*.safetensors` name, and for an index that is none."""
    found = _read_json(index, called)
    places = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(places, dict) or not places or not isinstance(found.get("metadata"), dict):
        raise UserError(
            f"The {INDEX} of {called} is no index: it needs the mappings weight_map and metadata. "
            "Save the model again with save_pretrained."
        )
    for name in places.values():
        if not isinstance(name, str) or not SHARD.fullmatch(name):
            raise UserError(
                f"The {INDEX} of {called} names {name!r:.100}, but every weights file must be a .safetensors "
                "file in the same folder. Excise loads no other; choose another model."
            )
    return sorted(set(places.values()))


def hub_folder(name: str, online: bool, revision: str | None = None) -> Path:
    """A hub model's folder in the hub's cache, its weights vetted; what it lacks is fetched if the hub is
    `online`.  Without a `revision` (a commit) it is the newest one.  Raises UserError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    def fetched(revision: str | None, *files: str) -> Path:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(files), local_files_only=not online
            )
        )

    try:
        folder = fetched(revision, *BESIDE_WEIGHTS, SINGLE)
        if online and not (folder / SINGLE).is_file() and (folder / INDEX).is_file():
            fetched(folder.name, *shard_names(folder / INDEX, name))
    except UserError:
        raise
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(f"There is no model {name!r} on the Hugging Face hub. Check its name.") from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"The model {name!r} is not whole on this machine, and the Hugging Face hub cannot be reached "
            "from here. Connect, or choose the embedded model or a local folder."
        ) from error
    except Exception as error:  # What the hub's client raises depends on its HTTP library.
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"The model {name!r} could not be fetched from the hub: {reason}") from error
    weight_files(folder, name)
    return folder


def _require_no_detour(folder: Path, called: str) -> None:
    """Raise UserError where transformers would read weights from files that are not looked at here."""
    require_no_adapter(folder, called)
    if any(DISTRIBUTED.fullmatch(path.name) for path in folder.glob("shard-*")):
        raise UserError(
            f"The model {called} is a checkpoint of distributed training (shard-…-model-….safetensors). "
            "Save it with save_pretrained."
        )
    if not (folder / "config.json").is_file():
        return
    settings: set[str] = set()
    _read_json(folder / "config.json", called, settings)
    for name in ELSEWHERE:
        if name in settings:
            raise UserError(
                f"The config.json of {called} sets {name}, by which a model can name other weights than its "
                "own. Remove that line, or choose another model."
            )


def require_no_adapter(folder: Path, called: str) -> None:
    """Raise UserError where transformers would add an adapter's weights to the model's."""
    if (folder / "adapter_config.json").exists():
        raise UserError(
            f"The model {called} comes with an adapter (adapter_config.json), and Excise loads none. "
            "Merge the adapter into the model, and save that with save_pretrained."
        )


def _read_json(path: Path, called: str, keys: set[str] | None = None) -> Any:
    """What a JSON file holds; the keys of all its mappings are added to `keys`.  Raises UserError."""

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if keys is not None:
            keys.update(key for key, _ in pairs)
        return dict(pairs)

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=mapping)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The {path.name} of {called} is not readable JSON ({error}).") from error


def _require_inside(folder: Path, file: Path, called: str) -> None:
    """Raise UserError for a file that is not there, or is a link out of the folder.

    The hub's cache keeps its files in `blobs`, beside `snapshots`, and links to them."""
    if not file.is_file():
        raise UserError(
            f"The {INDEX} of {called} names {file.name}, which is not there. Copy the whole model again."
        )
    real = folder.resolve()
    homes = [real, real.parents[1] / "blobs"] if real.parent.name == "snapshots" else [real]
    if not any(file.resolve().is_relative_to(home) for home in homes):
        raise UserError(
            f"{file.name} of the model {called} is a link to a file outside its folder. "
            "Put the file itself there."
        )


def _require_safetensors(file: Path, called: str) -> None:
    """Raise UserError for a file that is damaged, or something else under that name, by its header alone."""
    try:
        with safe_open(file, "np"):
            pass
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The model {called} cannot be loaded: {file.name} is no whole safetensors file ({error}). "
            "Copy it again, or save it with save_pretrained."
        ) from error
