"""Checks before a run starts: all those that need no loaded model and no torch."""

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
from backend.data.rows import Dataset
from backend.engine.ready_rows import readings, ready_made, settle
from backend.models.catalogue import base_model, is_same_model, model_folder
from backend.models.classifier_head import head_for
from backend.models.configuration import read_config
from backend.models.places import weights_folder
from backend.models.received import ReceivedModel, described_by, read_model
from backend.models.tokenizer_files import require_tokenizer
from backend.spec.run import HUB_DEFAULT, ModelSpec, RunSpec, TriggerSpec

Rewrite = Callable[[TriggerSpec, int, list[str]], list[str | None]]

CLAIMS = (
    "Its config says that it comes from {}. If you have that model and trust it, name it (--base, on the "
    "page: Model that it claims to come from): it makes the better comparison."
)
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
    received = _received(spec.model)
    _check_disk(weight_bytes(spec.model))
    choice = head_for(spec.model, received, data.load(spec.data), spec.only_checks)
    dataset = choice.dataset
    warnings = [*rows_note(spec), *dataset.notes, *choice.notes]
    if received is not None:
        _check_length(received, spec.data.max_length)
        heads = received.layers * received.heads
        if (prune_step := spec.setting("prune_step", 0)) > heads // 2:
            warnings.append(
                f"A step of {prune_step} heads is over half of the model's {heads}: "
                "the search will end after one or two steps."
            )
    if spec.trigger is not None:
        warnings += _check_trigger(spec, dataset, rewrite)
    if spec.check is not None:
        warnings += _check_base(spec, spec.check.base, received)
    if spec.setting("threshold_kind") == "absolute":
        warnings.append(
            "With an absolute τ above the fine-tuned model's accuracy hardly any head is pruned; "
            "a relative τ adapts to the model."
        )
    return warnings


def rows_note(spec: RunSpec) -> list[str]:
    """A sentence where a received model is checked on rows that are not its user's."""
    own = spec.data.source != "embedded" or spec.model.source == "embedded"
    if own or not spec.only_checks:
        return []
    return [
        "No rows were given: the built-in movie reviews are taken. Rows of the model's own task tell more "
        "(--data, on the page: Rows)."
    ]


def _check_disk(size: int) -> None:
    if short := room_short("this run's checkpoints need", COPIES * size + SPARE_BYTES):
        raise UserError(f"{short} Free some space, delete old runs, or set EXCISE_HOME elsewhere.")


def room_short(what: str, needed: int) -> str | None:
    """A sentence if the disk of the state folder has fewer than `needed` bytes free, else None."""
    free = shutil.disk_usage(home()).free
    if free >= needed:
        return None
    return f"The disk of {home()} has {free / 1e9:.1f} GB free; {what} about {needed / 1e9:.1f} GB."


def _check_length(received: ReceivedModel, max_length: int) -> None:
    """Raise UserError if rows may be longer than the model can read."""
    if max_length > received.positions:
        raise UserError(
            f"The model reads at most {received.positions} tokens, the maximum length is {max_length}. "
            f"Set it to {received.positions} or less."
        )


def _check_base(spec: RunSpec, name: str, received: ReceivedModel | None) -> list[str]:
    """Which base would make a better comparison, where none is named; raises UserError if the one that is
    named cannot be used."""
    if not name:
        claimed = received.claimed_base if received is not None else ""
        return [CLAIMS.format(claimed)] if claimed and claimed != spec.model.name else []
    base = base_model(name)
    try:
        if spec.attack is None and is_same_model(base, spec.model):
            raise UserError(
                "It is the model that is checked itself, and its fine-tuning would keep a backdoor."
            )
        if (described := _received(base)) is not None:
            _check_length(described, spec.data.max_length)
    except UserError as error:
        raise UserError(
            f"The model that it claims to come from, {name}, cannot be used. {error} Or name none: the "
            "built-in encoder is compared with then."
        ) from error
    return []


def looks_up(spec: RunSpec) -> bool:
    """Whether the check asks the Hugging Face hub, which takes time."""
    base = base_model(spec.check.base).source if spec.check is not None else ""
    return "hub" in (spec.model.source, spec.data.source, base)


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


def _received(model: ModelSpec) -> ReceivedModel | None:
    """What is known of the model before anything is fetched; None for the models that need no check.  Raises
    UserError for one that Excise cannot use."""
    if model.source == "embedded" or (model.random_weights and model.name == HUB_DEFAULT):
        return None
    if model.source == "hub":
        config, online = _hub_config(model)
        if online or model.random_weights:  # what is missing of it is still to be fetched
            return described_by(config, model.name)
        return read_model(weights_folder(model), model.name)
    folder = model_folder(model)
    if model.random_weights:
        described = described_by(read_config(folder / "config.json"), str(folder))
        require_tokenizer(folder, described.architecture)
        return described
    return read_model(folder)


def _hub_config(model: ModelSpec) -> tuple[dict[str, Any], bool]:
    """The configuration of a model on the hub, or of its local copy if the hub cannot be reached; and whether
    it can."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HFValidationError, RemoteEntryNotFoundError, RepositoryNotFoundError

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
    except RemoteEntryNotFoundError as error:
        raise UserError(
            f"The hub model {model.name!r} has no config.json, so it is no whole model. If it is an adapter, "
            "merge it into its base model, and give the folder of the result."
        ) from error
    except Exception as error:
        # Which class is raised depends on the HTTP client that huggingface_hub was built with.
        raise UserError(
            f"{model.name!r} is looked for on the Hugging Face hub, which cannot be reached from here. "
            "Connect, or give the folder of a model on this machine."
        ) from error
    return read_config(Path(path)), online
