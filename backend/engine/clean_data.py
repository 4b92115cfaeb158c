"""The clean rows of a run: loaded, classes numbered as in the model, tokenised."""

from dataclasses import dataclass, field

from backend import data
from backend.attacks.languages import language_note
from backend.attacks.poison import resolve_target
from backend.base.events import DataReady, Warned
from backend.base.reporter import Reporter
from backend.data.rows import Dataset
from backend.data.tokens import Encoded, encode
from backend.engine.preflight import rows_note
from backend.models.classifier_head import choose_head
from backend.models.classifiers import load_tokenizer
from backend.spec.run import ModelSpec, RunSpec


@dataclass(frozen=True)
class CleanData:
    """The clean rows of a run, tokenised; `target_class` is that of its trigger, None without one.

    `model` is the run's, with the decision whether it keeps its classifier head."""

    dataset: Dataset
    train: Encoded
    validation: Encoded
    test: Encoded
    target_class: int | None
    model: ModelSpec = field(default_factory=ModelSpec)


def prepare(spec: RunSpec, report: Reporter) -> CleanData:
    """Load and tokenise the clean rows that the stages of `spec` read.  Raises UserError."""
    choice = choose_head(spec.model, data.load(spec.data), spec.only_checks)
    dataset = choice.dataset
    notes = [*rows_note(spec), *dataset.notes, *choice.notes]
    if spec.trigger is not None:
        notes += language_note(spec.trigger, dataset.test.texts)
    if spec.model.random_weights:
        notes.append("The weights are random: this run shows the cost only; its accuracies mean nothing.")
    for note in notes:
        report.emit(Warned, message=note)
    target = None
    if spec.trigger is not None:
        target = resolve_target(spec.trigger.target_class, dataset.label_names, dataset.data_names)
    tokenizer = load_tokenizer(spec.model)
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    report.emit(
        DataReady,
        source=dataset.source,
        rows={split: len(rows) for split, rows in splits.items()},
        label_names=dataset.label_names,
        target_class=target,
    )
    encoded = {split: encode(tokenizer, rows, spec.data.max_length) for split, rows in splits.items()}
    return CleanData(dataset=dataset, target_class=target, model=choice.model, **encoded)
