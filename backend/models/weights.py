"""Which files hold a model's weights: checked before anything loads or hashes them.  No torch here.

transformers opens any file that an index names: it unpickles `*.bin` despite `use_safetensors=True`, and
follows `../`.  So every model is checked here first, and a hub model is loaded from its folder in the hub's
cache."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from backend.base.errors import UserError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
# If there is one such file, transformers reads every .safetensors file of the folder and no index.
DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors", re.ASCII)
# Settings, at any depth, that make transformers read other files than SINGLE or those of INDEX.
REDIRECTING_SETTINGS = ("transformers_weights", "attribute_map")
BESIDE_WEIGHTS = ("*.json", "*.txt", "*.model", "*.jinja", "*.md")
ADAPTER = "adapter_config.json"
COMPACT = "compact.safetensors"
PICKLES = ("pytorch_model*.bin", "model*.pt", "*.pth", "*.ckpt", "tf_model.h5", "flax_model.msgpack")
LISTED = 3


@dataclass(frozen=True)
class TensorHeader:
    """What a safetensors file says of a tensor before it is read; `dtype` as there: F32, BF16, I8, …"""

    dtype: str
    shape: tuple[int, ...]


def weight_files(folder: Path, model_name: str = "") -> list[Path]:
    """The files that transformers loads weights from: `model.safetensors`, or else the index and its shards.

    Raises UserError, which names the model `model_name`, if not all are safetensors inside `folder`."""
    model_name = model_name or str(folder)
    _require_no_other_weights(folder, model_name)
    if (folder / SINGLE).is_file():
        shards = [SINGLE]
        files = [folder / SINGLE]
    elif (folder / INDEX).is_file():
        shards = shard_names(folder / INDEX, model_name)
        files = sorted([folder / INDEX, *(folder / name for name in shards)])
    else:
        raise UserError(without_weights(folder, model_name))
    _require_all([file for file in files if not file.is_file()], model_name)
    for file in files:
        _require_inside(folder, file, model_name)
    for name in shards:
        _require_safetensors(folder / name, model_name)
    return files


def tensor_headers(files: Iterable[Path]) -> dict[str, TensorHeader]:
    """The tensors of those `weight_files` by name, without their values."""
    headers = {}
    for file in files:
        if file.suffix == ".safetensors":
            with safe_open(file, "np") as opened:
                for name in opened.keys():  # noqa: SIM118 (it is no mapping)
                    part = opened.get_slice(name)
                    headers[name] = TensorHeader(part.get_dtype(), tuple(part.get_shape()))
    return headers


def without_weights(folder: Path, model_name: str) -> str:
    """Why the folder has no weights that may be loaded, as far as its other files tell."""
    if (folder / COMPACT).is_file():
        return (
            f"The model {model_name} is a compact export of Excise ({COMPACT}), whose layers no longer have "
            "the same number of heads. Give the folder of the whole model."
        )
    shards = sorted(path.name for path in folder.glob("*-of-*.safetensors"))
    if shards:
        return f"The model {model_name} has {shards[0]} but no {INDEX}. Copy the complete model again."
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        return (
            f"The model {model_name} has no .safetensors weights, only {pickles[0]}, a format that can run a "
            "stranger's code and that Excise never reads. Ask for its weights as safetensors, which "
            "save_pretrained writes."
        )
    return (
        f"The model {model_name} has no .safetensors weights that can be loaded: neither {SINGLE} "
        f"nor {INDEX}. Save it with save_pretrained, which writes them."
    )


def _require_all(missing: Sequence[Path], model_name: str) -> None:
    """Raise UserError naming the files that an index names and that are not there."""
    if not missing:
        return
    names = ", ".join(file.name for file in missing[:LISTED])
    more = f" and {len(missing) - LISTED} more files" if len(missing) > LISTED else ""
    are = "are" if len(missing) > 1 else "is"
    raise UserError(
        f"{names}{more} {are} missing: the {INDEX} of {model_name} names {'them' if are == 'are' else 'it'}. "
        "Copy the complete model again."
    )


def shard_names(index: Path, model_name: str) -> list[str]:
    """The file names in an index; the files may be missing.  Raises UserError for one that is not a plain
    `*.safetensors` name, and for an invalid index."""
    content = _read_json(index, model_name)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map or not isinstance(content.get("metadata"), dict):
        raise UserError(
            f"The {INDEX} of {model_name} is not a valid index: it needs the mappings weight_map and "
            "metadata. Save the model again with save_pretrained."
        )
    for name in weight_map.values():
        if not isinstance(name, str) or not SHARD.fullmatch(name):
            raise UserError(
                f"The {INDEX} of {model_name} names {name!r:.100}, but every weights file must be a "
                ".safetensors file in the same folder. Choose another model."
            )
    return sorted(set(weight_map.values()))


def hub_folder(name: str, online: bool, revision: str | None = None) -> Path:
    """A hub model's folder in the hub's cache, its weights checked; missing files are fetched if the hub is
    `online`.  Without a `revision` (a commit) it is the newest one.  Raises UserError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    def download(revision: str | None, *files: str) -> Path:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(files), local_files_only=not online
            )
        )

    try:
        folder = download(revision, *BESIDE_WEIGHTS, SINGLE)
        if online and not (folder / SINGLE).is_file() and (folder / INDEX).is_file():
            download(folder.name, *shard_names(folder / INDEX, name))
    except UserError:
        raise
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(f"There is no model {name!r} on the Hugging Face hub. Check its name.") from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"The model {name!r} is not complete on this machine, and the Hugging Face hub cannot be reached "
            "from here. Connect, or choose the embedded model or a local folder."
        ) from error
    except Exception as error:  # The errors of the hub's client depend on its HTTP library.
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"The model {name!r} could not be fetched from the hub: {reason}") from error
    weight_files(folder, name)
    return folder


def _require_no_other_weights(folder: Path, model_name: str) -> None:
    """Raise UserError if transformers would read weights from files that are not checked here."""
    require_no_adapter(folder, model_name)
    if any(DISTRIBUTED.fullmatch(path.name) for path in folder.glob("shard-*")):
        raise UserError(
            f"The model {model_name} is a checkpoint of distributed training (shard-…-model-….safetensors). "
            "Save it with save_pretrained."
        )
    if not (folder / "config.json").is_file():
        return
    settings: set[str] = set()
    _read_json(folder / "config.json", model_name, settings)
    for name in REDIRECTING_SETTINGS:
        if name in settings:
            raise UserError(
                f"The config.json of {model_name} sets {name}, which can make it load other weights than its "
                "own. Remove that setting, or choose another model."
            )


def require_no_adapter(folder: Path, model_name: str) -> None:
    """Raise UserError if transformers would add an adapter's weights to the model's."""
    if (folder / ADAPTER).exists():
        content = _read_json(folder / ADAPTER, model_name)
        base = content.get("base_model_name_or_path") if isinstance(content, dict) else None
        raise UserError(
            f"{model_name} has an adapter ({ADAPTER}) for the base model "
            f"{repr(base)[:200] if base else 'that it does not name'}, which Excise does not load: merge the "
            "adapter into that model, save the result with save_pretrained, and give its folder."
        )


def _read_json(path: Path, model_name: str, keys: set[str] | None = None) -> Any:
    """The content of a JSON file; the keys of all its mappings are added to `keys`.  Raises UserError."""

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if keys is not None:
            keys.update(key for key, _ in pairs)
        return dict(pairs)

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=mapping)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The {path.name} of {model_name} is not readable JSON ({error}).") from error


def _require_inside(folder: Path, file: Path, model_name: str) -> None:
    """Raise UserError for a link to a file outside the folder.

    The hub's cache keeps its files in `blobs`, beside `snapshots`, and links to them."""
    real_folder = folder.resolve()
    allowed = (
        [real_folder, real_folder.parents[1] / "blobs"]
        if real_folder.parent.name == "snapshots"
        else [real_folder]
    )
    if not any(file.resolve().is_relative_to(parent) for parent in allowed):
        raise UserError(
            f"{file.name} of the model {model_name} is a link to a file outside its folder. "
            "Copy the file itself there."
        )


def _require_safetensors(file: Path, model_name: str) -> None:
    """Raise UserError for a file that is damaged or not safetensors, judged by its header alone."""
    try:
        with safe_open(file, "np"):
            pass
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The model {model_name} cannot be loaded: {file.name} is not a complete safetensors file "
            f"({error}). Copy it again, or save it with save_pretrained."
        ) from error
