"""What a model's config.json says of it, to be shown before anything is loaded.  No torch here."""

from dataclasses import dataclass

from backend.base.errors import UserError
from backend.base.paths import poisoned_folder, typed_path
from backend.models.configuration import read_config, size_of
from backend.models.received import described_by
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
    """The facts of a model that lies on this machine; None for one that Excise cannot take, of which the
    checks before a run say why."""
    if model.source not in ("folder", "run"):
        return None
    try:
        folder = typed_path(model.name) if model.source == "folder" else poisoned_folder(model.name)
        config = read_config(folder / "config.json")
        described = described_by(config, model.name)
        return ModelFacts(
            architecture=described.architecture.title,
            layers=described.layers,
            heads=described.heads,
            hidden=size_of(config, described.architecture.hidden, 768, model.name),
            vocabulary=size_of(config, "vocab_size", MINILM.vocabulary, model.name),
            class_names=described.class_names,
        )
    except UserError:
        return None
