"""What a model's config.json says of it, to be shown before anything is loaded.  No torch here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.base.errors import UserError
from backend.base.paths import poisoned_folder, typed_path
from backend.data.labels import names_of
from backend.heads.architectures import architecture_of
from backend.spec.run import ModelSpec


@dataclass(frozen=True)
class ModelFacts:
    """`class_names` are those of the classifier head in its order; empty without a head."""

    architecture: str
    layers: int
    heads: int
    hidden: int
    vocabulary: int
    class_names: list[str]

    @property
    def layer_parameters(self) -> float:
        """About the parameters of all layers: twelve matrices of hidden × hidden each."""
        return 12.0 * self.layers * self.hidden**2


MINILM = ModelFacts("BERT", 6, 12, 384, 30_522, [])
BERT_BASE = ModelFacts("BERT", 12, 12, 768, 30_522, [])


def facts_of(model: ModelSpec) -> ModelFacts | None:
    """The facts of a model that lies on this machine; None where its configuration cannot be read, which the
    checks before a run explain."""
    if model.source not in ("folder", "run"):
        return None
    try:
        folder = typed_path(model.name) if model.source == "folder" else poisoned_folder(model.name)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return _facts(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return None


def _facts(config: Mapping[str, Any]) -> ModelFacts:
    architecture = architecture_of(config)
    classifier = any("Classification" in name for name in config.get("architectures") or [])
    return ModelFacts(
        architecture=architecture.title,
        layers=int(config[architecture.layers]),
        heads=int(config[architecture.heads]),
        hidden=int(config.get("hidden_size") or config.get("dim") or MINILM.hidden),
        vocabulary=int(config.get("vocab_size") or MINILM.vocabulary),
        class_names=names_of(config) if classifier else [],
    )
