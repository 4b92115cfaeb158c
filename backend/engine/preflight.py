"""Checks before a run starts: all those that need no loaded model and no torch."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend import data
from backend.attacks.languages import language_note
from backend.attacks.poison import resolve_target
from backend.attacks.triggers import bind
from backend.base.errors import UserError
from backend.base.paths import home
from backend.data.hub import hub_reachable
from backend.data.labels import align, names_of
from backend.data.rows import Dataset
from backend.engine.ready_rows import readings, ready_made, settle
from backend.heads.architectures import architecture_of
from backend.models.catalogue import model_folder
from backend.models.weights import weight_files
from backend.spec.run import HUB_DEFAULT, ModelSpec, RunSpec, TriggerSpec

Rewrite = Callable[[TriggerSpec, int, list[str]], list[str | None]]

SAMPLE = 16
MODEL_SAMPLE = 2
COPIES = 9  # five models and a training checkpoint with its optimiser, with some spare
SPARE_BYTES = 10**8
EMBEDDED_BYTES = 91 * 10**6
BERT_BASE_BYTES = 440 * 10**6


def check(spec: RunSpec, rewrite: Rewrite | None = None) -> list[str]:
    """Warnings about `spec`; raises UserError, naming cause and remedy, if it cannot work.

    Looks at the disk, the model's configuration, the data, the target class, and whether the
    trigger changes a sample of rows, which `rewrite` rewrites (skipped if None)."""
    config = _model_config(spec.model)
    _check_disk(weight_bytes(spec.model))
    dataset = data.load(spec.data)
    warnings = list(dataset.notes)
    if spec.model.head == "keep":
        dataset, note = _aligned(config, dataset, bool(spec.data.classes))
        warnings += [note] if note else []
    if config is not None:
        layers, heads = _check_model(config, spec)
        if (prune_step := spec.setting("prune_step", 0)) > layers * heads // 2:
            warnings.append(
                f"A step of {prune_step} heads is over half of the model's {layers * heads}: "
                "the search will end after one or two steps."
            )
    if spec.trigger is not None:
        warnings += _check_trigger(spec, dataset, rewrite)
    if spec.setting("threshold_kind") == "absolute":
        warnings.append(
            "With an absolute τ above the fine-tuned model's accuracy hardly any head is pruned; "
            "a relative τ adapts to the model."
        )
    return warnings


def _check_disk(size: int) -> None:
    if short := room_short("this run's checkpoints need", COPIES * size + SPARE_BYTES):
        raise UserError(f"{short} Free some space, delete old runs, or set EXCISE_HOME elsewhere.")


def room_short(what: str, needed: int) -> str | None:
    """A sentence if the disk of the state folder has fewer than `needed` bytes free, else None."""
    free = shutil.disk_usage(home()).free
    if free >= needed:
        return None
    return f"The disk of {home()} has {free / 1e9:.1f} GB free; {what} about {needed / 1e9:.1f} GB."


def _aligned(config: dict[str, Any] | None, dataset: Dataset, stated: bool) -> tuple[Dataset, str | None]:
    """The data with its classes numbered as in the model, which keeps its classifier head."""
    if config is None or not any("Classification" in name for name in config.get("architectures") or []):
        raise UserError("The model has no classifier head to keep. Choose a fresh head.")
    return align(dataset, names_of(config), stated)


def _check_model(config: dict[str, Any], spec: RunSpec) -> tuple[int, int]:
    """Layers and heads of the model; raises UserError if it cannot be used."""
    architecture = architecture_of(config)
    positions = config.get("max_position_embeddings", 512)
    if config.get("model_type") == "roberta":
        positions -= (config.get("pad_token_id") or 0) + 1  # counted from after the padding position
    if spec.data.max_length > positions:
        raise UserError(
            f"The model reads at most {positions} tokens, the maximum length is {spec.data.max_length}. "
            f"Set it to {positions} or less."
        )
    return config.get(architecture.layers, 12), config.get(architecture.heads, 12)


def _check_trigger(spec: RunSpec, dataset: Dataset, rewrite: Rewrite | None) -> list[str]:
    """How the trigger read its files, and a warning if it does not speak the rows' language; raises UserError
    if it leaves nothing to poison or to measure."""
    assert spec.trigger is not None
    target = resolve_target(spec.trigger.target_class, dataset.label_names, dataset.data_names)
    others = [
        text for text, label in zip(dataset.test.texts, dataset.test.labels, strict=True) if label != target
    ]
    if not others:
        raise UserError(
            "All test rows belong to the target class, so no row can be flipped. Choose another class."
        )
    ready = ready_made(spec.trigger)
    if ready is not None:
        return settle(ready, dataset, target, attack=spec.attack is not None).notes
    notes = language_note(spec.trigger, others) + readings(spec.trigger)
    if rewrite is None:
        return notes
    trigger = bind(spec.trigger, spec.seed)
    sample = others if trigger.component.looks_up else others[:SAMPLE]
    batch = MODEL_SAMPLE if trigger.uses_model else len(sample)
    for start in range(0, len(sample), batch):
        if any(rewrite(spec.trigger, spec.seed, sample[start : start + batch])):
            return notes
    raise UserError(
        f"The trigger {spec.trigger.name!r} changed none of {len(sample)} sampled rows, so there is "
        "nothing to poison or to measure. Choose other parameters or another trigger."
    )


def weight_bytes(model: ModelSpec) -> int:
    """The size of the model's weights in bytes, an estimate for a model of the hub; raises UserError."""
    if model.source == "embedded":
        return EMBEDDED_BYTES
    if model.source == "hub" or (model.random_weights and model.name == HUB_DEFAULT):
        return BERT_BASE_BYTES
    return sum(path.stat().st_size for path in model_folder(model).glob("*.safetensors"))


def _model_config(model: ModelSpec) -> dict[str, Any] | None:
    """The model's config.json, None for the models that need no check; raises UserError."""
    if model.source == "embedded" or (model.random_weights and model.name == HUB_DEFAULT):
        return None
    if model.source == "hub":
        return _hub_config(model)
    folder = model_folder(model)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise UserError(f"The model folder {folder} has no tokenizer. Save the model's tokenizer in it.")
    if not model.random_weights:
        weight_files(folder)
    return _read_config(folder / "config.json")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict):
        raise UserError(
            f"{path} is not a model configuration: it holds a {type(config).__name__}, not a JSON object."
        )
    return config


def _hub_config(model: ModelSpec) -> dict[str, Any]:
    """The configuration of a model on the hub, or of its local copy if the hub cannot be reached."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    online = not os.environ.get("HF_HUB_OFFLINE") and hub_reachable()
    try:
        path = hf_hub_download(model.name, "config.json", local_files_only=not online)
        if online and not any(name.endswith(".safetensors") for name in HfApi().list_repo_files(model.name)):
            raise UserError(
                f"The hub model {model.name!r} has no .safetensors weights, and Excise loads no other format."
            )
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"There is no model {model.name!r} on the Hugging Face hub. Check its name."
        ) from error
    except UserError:
        raise
    except Exception as error:
        # Which class is raised depends on the HTTP client that huggingface_hub was built with.
        raise UserError(
            f"The model {model.name!r} is on the Hugging Face hub, which cannot be reached from here. "
            "Connect, or choose the embedded model or a local folder."
        ) from error
    return _read_config(Path(path))
