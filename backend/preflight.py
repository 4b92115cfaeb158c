"""What can be known before a run starts: every check that needs no model and no torch."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from backend import data, triggers
from backend.data.rows import Dataset
from backend.errors import UserError
from backend.heads.architectures import architecture_of
from backend.home import home, run_folder
from backend.known_models import HUB_DEFAULT
from backend.spec import ModelSpec, RunSpec
from backend.triggers.poison import resolve_target

SAMPLE = 16
FREE_BYTES = 2 * 10**9


def check(spec: RunSpec) -> list[str]:
    """Warnings about `spec`; raises UserError, naming cause and remedy, if it cannot work.

    Looks at the disk, the model's configuration, the data, the target class, and whether the
    trigger changes a sample of rows."""
    _check_disk()
    config = _model_config(spec.model)
    dataset = data.load(spec.data)
    warnings = list(dataset.notes)
    if config is not None:
        layers, heads = _check_model(config, spec, dataset)
        if spec.defense is not None and spec.defense.prune_step > layers * heads // 2:
            warnings.append(
                f"A step of {spec.defense.prune_step} heads is over half of the model's {layers * heads}: "
                "the search will end after one or two steps."
            )
    if spec.trigger is not None:
        _check_trigger(spec, dataset)
    if spec.defense is not None and spec.defense.threshold_kind == "absolute":
        warnings.append(
            "An absolute τ prunes nothing where the fine-tuned model itself is below it; "
            "a relative τ moves with the model."
        )
    return warnings


def _check_disk() -> None:
    free = shutil.disk_usage(home()).free
    if free < FREE_BYTES:
        raise UserError(
            f"The disk of {home()} has {free / 1e9:.1f} GB free; a run's checkpoints need about "
            f"{FREE_BYTES / 1e9:.0f} GB. Free some space, delete old runs, or set EXCISE_HOME elsewhere."
        )


def _check_model(config: dict[str, Any], spec: RunSpec, dataset: Dataset) -> tuple[int, int]:
    """Layers and heads of the model; raises UserError if it cannot be used."""
    architecture = architecture_of(config)
    if spec.model.head == "keep":
        if not any("Classification" in name for name in config.get("architectures") or []):
            raise UserError(
                "The model is an encoder without a classifier head of its own. Choose a fresh head."
            )
        labels = len(config.get("id2label") or {0: "", 1: ""})
        if labels != len(dataset.label_names):
            raise UserError(
                f"The model tells {labels} classes apart, the data have {len(dataset.label_names)} "
                f"({', '.join(dataset.label_names)}). Choose a fresh head, or data with the model's labels."
            )
    return config.get(architecture.layers, 12), config.get(architecture.heads, 12)


def _check_trigger(spec: RunSpec, dataset: Dataset) -> None:
    assert spec.trigger is not None
    target = resolve_target(spec.trigger.target_class, dataset.label_names)
    others = [
        text for text, label in zip(dataset.test.texts, dataset.test.labels, strict=True) if label != target
    ]
    if not others:
        raise UserError(
            "All test rows are of the target class, so no row could be flipped. Choose another class."
        )
    rewritten = triggers.bind(spec.trigger, spec.seed)(others[:SAMPLE])
    # A file of rewrite pairs may cover other rows than these few; planting looks at them all.
    if spec.trigger.name != "pairs" and all(text is None for text in rewritten):
        raise UserError(
            f"The trigger {spec.trigger.name!r} changed none of {len(rewritten)} sampled rows, so there is "
            "nothing to plant or to measure. Choose other parameters or another trigger."
        )


def _model_config(model: ModelSpec) -> dict[str, Any] | None:
    """The model's config.json, or None where it is the embedded one; raises UserError."""
    if model.source == "embedded" or (model.random_weights and model.name == HUB_DEFAULT):
        return None
    if model.source == "hub":
        return _hub_config(model)
    folder = (
        Path(model.name).expanduser() if model.source == "folder" else run_folder(model.name) / "poisoned"
    )
    if not (folder / "config.json").is_file():
        if model.source == "run":
            raise UserError(
                f"Run {model.name!r} has no poisoned model (yet). "
                "Choose a run that planted a backdoor and finished."
            )
        raise UserError(
            f"{folder} is no model folder: it holds no config.json. Give the folder of a saved model."
        )
    if not any(folder.glob("*.safetensors")) and not model.random_weights:
        raise UserError(
            f"The model folder {folder} holds no .safetensors weights. Excise loads no pickles (.bin, .pt); "
            "save the model with save_pretrained, which writes safetensors."
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise UserError(
            f"The model folder {folder} holds no tokenizer. Save the model's tokenizer beside it."
        )
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'config.json'} cannot be read as JSON ({error}).") from error
    return config


def _hub_config(model: ModelSpec) -> dict[str, Any]:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        path = hf_hub_download(model.name, "config.json", etag_timeout=5)
        if not os.environ.get("HF_HUB_OFFLINE") and not any(
            name.endswith(".safetensors") for name in HfApi().list_repo_files(model.name)
        ):
            raise UserError(
                f"The hub model {model.name!r} has no .safetensors weights; Excise loads no others."
            )
        config: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no model {model.name!r} on the Hugging Face hub. Check its name."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UserError(
            f"The model {model.name!r} is on the Hugging Face hub, which cannot be reached from here. "
            "Connect, or choose the embedded model or a local folder."
        ) from error
    return config
