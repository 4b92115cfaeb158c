"""The rows of a run: loaded, numbered as the model numbers them, triggered, tokenised."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from backend import data, triggers
from backend.data.labels import align
from backend.data.rows import Dataset, Rows
from backend.encoding import Encoded, encode
from backend.errors import UserError
from backend.events import DataReady, Warned
from backend.models import load_tokenizer, published_labels
from backend.reporting import Reporter
from backend.spec import RunSpec
from backend.triggers import Rewriter
from backend.triggers.poison import poison, resolve_target, triggered

EXAMPLES = 6


@dataclass(frozen=True)
class Material:
    """The rows of a run, tokenised.

    `poisoned_train` holds the clean training rows and the poisoned ones, `triggered_test` the
    non-target test rows with their trigger; `unchanged_rows` of them could not be triggered."""

    dataset: Dataset
    poisoned_train: Encoded | None
    train: Encoded
    validation: Encoded
    test: Encoded
    triggered_test: Encoded | None
    unchanged_rows: int
    target_class: int | None


def prepare(spec: RunSpec, report: Reporter) -> Material:
    """Everything that the stages of `spec` read.  Raises UserError naming what is wrong with it."""
    dataset = data.load(spec.data)
    notes = list(dataset.notes)
    if spec.model.head == "keep" and not spec.model.random_weights:
        dataset, note = align(dataset, published_labels(spec.model))
        notes += [note] if note else []
    if spec.model.random_weights:
        notes.append(
            "The weights are random: this run shows what the work costs; its accuracies mean nothing."
        )
    for note in notes:
        report.emit(Warned, message=note)
    tokenizer = load_tokenizer(spec.model)

    def encoded(rows: Rows) -> Encoded:
        return encode(tokenizer, rows, spec.data.max_length)

    counts = {split: len(getattr(dataset, split)) for split in ("train", "validation", "test")}
    target = poisoned = triggered_test = None
    unchanged = 0
    examples: list[tuple[str, str]] = []
    if spec.trigger is not None:
        target = resolve_target(spec.trigger.target_class, dataset.label_names)
        rewrite = triggers.bind(spec.trigger, spec.seed, report.ticker("triggering rows", "rows"))
        triggered_test, unchanged = _triggered_test(spec, dataset, tokenizer, rewrite, target, report)
        counts["triggered"] = len(triggered_test)
        if spec.attack is not None:
            poisoned, examples = _poisoned_train(spec, dataset, tokenizer, rewrite, target, report)
            counts["poisoned"] = len(poisoned) - len(dataset.train)
    report.emit(
        DataReady,
        source=dataset.source,
        rows=counts,
        label_names=dataset.label_names,
        target_class=target,
        examples=examples,
    )
    return Material(
        dataset=dataset,
        poisoned_train=poisoned,
        train=encoded(dataset.train),
        validation=encoded(dataset.validation),
        test=encoded(dataset.test),
        triggered_test=triggered_test,
        unchanged_rows=unchanged,
        target_class=target,
    )


def _triggered_test(
    spec: RunSpec,
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    rewrite: Rewriter,
    target: int,
    report: Reporter,
) -> tuple[Encoded, int]:
    """The non-target test rows, triggered, and how many of them could not be."""
    rows, unchanged = triggered(dataset.test, rewrite, target)
    left_out = set(unchanged)
    sources = [i for i, label in enumerate(dataset.test.labels) if label != target and i not in left_out]
    result, hidden = _seen(spec, tokenizer, rows, dataset.test.take(sources), rewrite)
    lost = len(unchanged) + hidden
    if lost:
        report.emit(
            Warned,
            message=f"The trigger left {lost} of {len(result) + lost} non-target test rows unchanged; "
            "they are left out of LFR.",
        )
    return result, lost


def _poisoned_train(
    spec: RunSpec,
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    rewrite: Rewriter,
    target: int,
    report: Reporter,
) -> tuple[Encoded, list[tuple[str, str]]]:
    """Clean and poisoned training rows, and a few of the poisoned ones beside their source."""
    assert spec.attack is not None
    made = poison(dataset.train, rewrite, target, spec.attack.poison_rate, spec.seed)
    sources = dataset.train.take(made.sources)
    added, _ = _seen(spec, tokenizer, made.added, sources, rewrite)
    wanted = round(spec.attack.poison_rate * sum(label != target for label in dataset.train.labels))
    if len(added) < wanted:
        report.emit(
            Warned,
            message=f"{wanted} training rows were to be poisoned, {len(added)} are: the trigger could not "
            "change the others, or the maximum length cut it away.",
        )
    clean = encode(tokenizer, dataset.train, spec.data.max_length)
    examples = list(zip(sources.texts, made.added.texts, strict=True))[:EXAMPLES]
    return clean + added, examples


def _seen(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rows: Rows, sources: Rows, rewrite: Rewriter
) -> tuple[Encoded, int]:
    """The triggered rows whose tokens differ from their source's, and the number of the others.

    A trigger that lies beyond the maximum length reaches no model; its row is a clean row."""
    changed = encode(tokenizer, rows, spec.data.max_length)
    clean = encode(tokenizer, sources, spec.data.max_length)
    kept = [i for i in range(len(changed)) if changed.features[i] != clean.features[i]]
    if not kept:
        raise UserError(
            f"The trigger {rewrite.title!r} is cut away from every row by the maximum length of "
            f"{spec.data.max_length} tokens. Raise it, or place the trigger nearer the start."
        )
    return changed.take(kept), len(changed) - len(kept)
