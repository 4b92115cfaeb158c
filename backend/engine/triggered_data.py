"""The triggered rows of a run: generated once, recorded, tokenised."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from backend.attacks import triggers
from backend.attacks.planting import GENERATE
from backend.attacks.poison import poison, triggered
from backend.attacks.rewrite_cache import GeneratorParams
from backend.attacks.triggers import Rewriter
from backend.base.components import pick
from backend.base.errors import UserError
from backend.base.events import RowsTriggered, Warned
from backend.base.files import hashes_at
from backend.base.progress import Tick
from backend.base.reporter import Reporter
from backend.base.steps import Record, Step
from backend.data.rows import Dataset, Rows
from backend.data.tokens import Encoded, encode
from backend.engine.clean_data import CleanData
from backend.engine.generated_rows import (
    REWRITINGS,
    GeneratedRow,
    Split,
    as_they_came,
    event_fields,
    rows_as_they_came,
    write_csv,
)
from backend.engine.ready_rows import Settled, readings, ready_made, settle
from backend.spec.run import RunSpec, TriggerSpec
from backend.training.inputs import Inputs

CANNOT_CHANGE = "the trigger cannot change it"
CUT_OFF = "the maximum length cuts the change off"


@dataclass(frozen=True)
class Triggered:
    """Tokenised rows.

    `poisoned_train` holds the clean training rows and then the poisoned ones (None where no backdoor
    is planted), or the poisoned training file as it is; `test` the non-target test rows with the trigger and
    their true labels, `UNKNOWN` of rows that came without (`test_rows` as text); `left_out` is how many of
    them could not be triggered."""

    poisoned_train: Encoded | None
    test: Encoded
    test_rows: Rows
    left_out: int


def generation(spec: RunSpec, clean: CleanData) -> Step:
    """The step that puts the trigger into the rows to be poisoned and into the test rows."""
    assert spec.trigger is not None
    rewriter = triggers.bind(spec.trigger, spec.seed)
    return Step(
        GENERATE,
        "generated",
        partial(_record_rows, spec, clean),
        (spec.trigger, trigger_files(spec.trigger), spec.attack and spec.attack.poison_rate),
        components=tuple(rewriter.components),
        retell=partial(_tell_rows, spec, clean),
    )


def _record_rows(spec: RunSpec, clean: CleanData, inputs: Inputs, folder: Path, *settings: Any) -> Record:
    assert spec.trigger is not None
    notes, ready = readings(spec.trigger), settled(spec, clean)
    if ready is not None:
        notes += ready.notes
    rows = generate(spec, clean, inputs.report) if ready is None else rows_as_they_came(clean.dataset, ready)
    record: Record = {"rows": rows, "notes": notes}
    write_csv(record["rows"], folder / REWRITINGS)
    _tell_rows(spec, clean, inputs.report, record)
    return record


def _tell_rows(spec: RunSpec, clean: CleanData, report: Reporter, record: Record) -> None:
    rows: list[GeneratedRow] = record["rows"]
    report.emit(RowsTriggered, **event_fields(rows), ready_made=_is_ready_made(spec))
    # Records of earlier versions have no notes.
    lost = [] if _is_ready_made(spec) else losses(spec, clean, rows)
    for sentence in [*record.get("notes", []), *lost]:
        report.emit(Warned, message=sentence)


def trigger_files(trigger: TriggerSpec) -> list[str]:
    """The hashes of the files that a trigger's parameters name, and versions of the models that it uses."""
    component = pick("trigger", triggers.COMPONENTS, trigger)
    params = component.parse(trigger.params)
    variant = trigger.variant or next(iter(component.variants), "")
    hashes = [params.source(variant)] if isinstance(params, GeneratorParams) else []
    for name, field in component.params.model_json_schema()["properties"].items():
        if field.get("format") == "path" and (path := getattr(params, name)):
            hashes += hashes_at(Path(path))
    return hashes


def settled(spec: RunSpec, clean: CleanData) -> Settled | None:
    """The rows of a trigger that has its own, None of another.  Raises UserError: see `settle`."""
    assert spec.trigger is not None and clean.target_class is not None
    ready = ready_made(spec.trigger)
    if ready is None:
        return None
    return settle(ready, clean.dataset, clean.target_class, attack=spec.attack is not None)


def _is_ready_made(spec: RunSpec) -> bool:
    assert spec.trigger is not None
    return triggers.COMPONENTS[spec.trigger.name].ready_made is not None


def generate(spec: RunSpec, clean_data: CleanData, report: Reporter) -> list[GeneratedRow]:
    """The poisoned training rows and the triggered test rows, with those left out.

    Raises UserError if the trigger changes none of a split's rows."""
    assert spec.trigger is not None and clean_data.target_class is not None
    dataset, target = clean_data.dataset, clean_data.target_class
    progress = _TotalProgress(report.ticker("rewriting rows", "rows"), _poison_count(spec, clean_data))
    rewrite = triggers.bind(spec.trigger, spec.seed, progress, spec.trigger.edits)
    rows, unchanged = triggered(dataset.test, rewrite, target)
    left_out = set(unchanged)
    sources = [i for i, label in enumerate(dataset.test.labels) if label != target and i not in left_out]
    generated = _rows(spec, clean_data, "test", sources, rows.texts, unchanged, rewrite)
    if spec.attack is not None:
        progress.to_come = 0
        poisoned = poison(dataset.train, rewrite, target, spec.attack.poison_rate, spec.seed)
        added = poisoned.added.texts
        train = _rows(spec, clean_data, "train", poisoned.sources, added, poisoned.unchanged, rewrite)
        generated = train + generated
    return generated


class _TotalProgress:
    """Reports the progress of several rewritings as that of all, with `to_come` rows still to follow."""

    def __init__(self, tick: Tick, to_come: int) -> None:
        self.tick, self.to_come = tick, to_come
        self.before = self.last = 0

    def __call__(self, done: int, total: int) -> None:
        if done < self.last:  # another rewriting has begun
            self.before += self.last
        self.last = done
        self.tick(self.before + done, self.before + total + self.to_come)


def _poison_count(spec: RunSpec, clean_data: CleanData) -> int:
    """How many training rows are to be poisoned."""
    if spec.attack is None:
        return 0
    labels = clean_data.dataset.train.labels
    return round(spec.attack.poison_rate * sum(label != clean_data.target_class for label in labels))


def losses(spec: RunSpec, clean_data: CleanData, rows: Sequence[GeneratedRow]) -> list[str]:
    """Sentences on the rows that the trigger could not change; empty where it changed every row."""
    sentences = []
    test = [row for row in rows if row["split"] == "test"]
    if lost := sum(bool(row["left_out"]) for row in test):
        sentences.append(
            f"The trigger could not change {lost} of {len(test)} non-target test rows; LFR leaves them out."
        )
    if spec.attack is not None:
        wanted = _poison_count(spec, clean_data)
        used = sum(row["split"] == "train" and not row["left_out"] for row in rows)
        if used < wanted:
            sentences.append(
                f"{used} of {wanted} training rows are poisoned: the trigger could not change the others, or "
                "the maximum length cut it off."
            )
    return sentences


def encoded(spec: RunSpec, clean_data: CleanData, rows: Sequence[GeneratedRow]) -> Triggered:
    """The rows, tokenised.  Raises UserError where they do not belong to this data."""
    tokenizer, length = clean_data.test.tokenizer, spec.data.max_length
    poisoned = None
    if _is_ready_made(spec):
        test = as_they_came(clean_data.dataset, "test", rows)
        if spec.attack is not None:
            poisoned = encode(tokenizer, as_they_came(clean_data.dataset, "train", rows), length)
    else:
        test = _take(clean_data.dataset, "test", rows)
    if spec.attack is not None and poisoned is None:
        added = _take(clean_data.dataset, "train", rows)
        assert clean_data.target_class is not None
        labelled = Rows(added.texts, [clean_data.target_class] * len(added), added.second_texts)
        poisoned = clean_data.train + encode(tokenizer, labelled, length)
    return Triggered(
        poisoned_train=poisoned,
        test=encode(tokenizer, test, length),
        test_rows=test,
        left_out=sum(row["split"] == "test" and bool(row["left_out"]) for row in rows),
    )


def _rows(
    spec: RunSpec,
    clean_data: CleanData,
    split: Split,
    sources: Sequence[int],
    rewritten: Sequence[str],
    unchanged: Sequence[int],
    rewrite: Rewriter,
) -> list[GeneratedRow]:
    """The rewritten rows, then the unchanged ones.

    A row whose trigger lies beyond the maximum length looks clean to a model, so it is left out."""
    rows: Rows = getattr(clean_data.dataset, split)
    names = clean_data.dataset.label_names
    clean = rows.take(sources)
    tokenizer, length = clean_data.test.tokenizer, spec.data.max_length
    before = encode(tokenizer, clean, length).features
    after = encode(tokenizer, clean.with_texts(list(rewritten)), length).features
    reasons = [CUT_OFF if old == new else "" for old, new in zip(before, after, strict=True)]
    if all(reasons):
        raise UserError(
            f"The maximum length of {length} tokens cuts the trigger {rewrite.title!r} off in every row. "
            "Raise it, or place the trigger nearer the start."
        )

    def row(i: int, new: str | None, left_out: str) -> GeneratedRow:
        generated = GeneratedRow(
            split=split,
            row=i,
            label=names[rows.labels[i]],
            text=rows.texts[i],
            rewritten=new,
            left_out=left_out,
        )
        if rows.second_texts is not None:
            generated["second_text"] = rows.second_texts[i]
        return generated

    used = [row(i, new, reason) for i, new, reason in zip(sources, rewritten, reasons, strict=True)]
    return used + [row(i, None, CANNOT_CHANGE) for i in unchanged]


def _take(dataset: Dataset, split: Split, rows: Sequence[GeneratedRow]) -> Rows:
    """The used rows of a split, with their rewriting and their own labels."""
    used = [row for row in rows if row["split"] == split and not row["left_out"]]
    clean: Rows = getattr(dataset, split)
    if any(row["row"] >= len(clean) or clean.texts[row["row"]] != row["text"] for row in used):
        raise UserError(
            "The data changed since this run put the trigger into its rows. Start a new run with them."
        )
    return clean.take([row["row"] for row in used]).with_texts([row["rewritten"] or "" for row in used])
