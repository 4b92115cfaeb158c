"""Rows that carry the trigger already, matched with the classes of a run's clean data.

Neither needs a clean row to go with it.  What their labels say is found out: all of the target class, as
HiddenKiller, ONION, PURE and OpenBackdoor publish triggered rows, or the true classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.attacks.poison import resolve_target
from backend.attacks.ready_made import ReadyMade, ReadyTable
from backend.attacks.triggers import bind
from backend.base.errors import UserError
from backend.base.numbers import count
from backend.data.label_cells import signs_of_no_label
from backend.data.rows import Dataset, Rows
from backend.data.splits import keys_of
from backend.spec.run import TriggerSpec

UNKNOWN = -1
"""The class number of a row whose true class is not known."""
TARGET_ALREADY = "its true class is the target class"


@dataclass(frozen=True)
class Settled:
    """The rows with class numbers of the clean data: `test` with the true classes (or `UNKNOWN`), of which
    those in `left_out` are not used; `train` with the labels that the poisoned file gives them."""

    test: Rows
    left_out: dict[int, str]
    train: Rows | None
    notes: list[str]


def readings(trigger: TriggerSpec) -> list[str]:
    """How the trigger read its files, in sentences.  Raises UserError for files that it cannot read."""
    bound = bind(trigger, 0)
    return bound.component.readings(bound.params) if bound.component.readings is not None else []


def ready_made(trigger: TriggerSpec) -> ReadyMade | None:
    """The rows of a trigger that has rows of its own; None of one that rewrites those of the data.

    Raises UserError for files that cannot be read."""
    bound = bind(trigger, 0)
    if bound.component.ready_made is None:
        return None
    rows: ReadyMade = bound.component.ready_made(bound.params)
    return rows


def settle(ready: ReadyMade, dataset: Dataset, target: int, attack: bool) -> Settled:
    """Ready-made rows for a run on `dataset`; with `attack` its model is trained on the poisoned file.

    Raises UserError for classes that the clean data lack, for labels that contradict the target class, where
    an attack has no poisoned file, and where only one of the two has pairs of texts."""
    if attack and ready.train is None:
        raise UserError(
            "An attack with rows that carry the trigger already needs the poisoned training file: set "
            "trigger.params.train. To measure a model that is poisoned already, leave the attack out (page "
            "Defend)."
        )
    test = _rows(ready.test, dataset)
    truth, labels_note = _true_classes(ready, test.labels, dataset, target)
    left_out = {row: TARGET_ALREADY for row, label in enumerate(truth) if label == target}
    if len(left_out) == len(truth):
        raise UserError(
            f"All {count(len(truth), 'row')} of {ready.test.name} belong to the target class "
            f"“{dataset.label_names[target]}”, so none can be flipped to it. If that is the label that the "
            "attacker gave them, set trigger.params.labels to “target class”."
        )
    test = Rows(test.texts, truth, test.second_texts)
    notes = [*ready.readings, labels_note, *_repeated(ready.test.name, test, dataset.train, "clean training")]
    train = None
    if attack and ready.train is not None:
        train, train_notes = _poisoned(ready.train, dataset)
        notes += train_notes
    elif ready.train is not None:
        notes.append(f"{ready.train.name} is not used: only the model of an attack is trained on it.")
    return Settled(test, left_out, train, notes)


def _poisoned(table: ReadyTable, dataset: Dataset) -> tuple[Rows, list[str]]:
    """The poisoned training rows with the labels that they have there, and notes."""
    rows = _rows(table, dataset)
    if UNKNOWN in rows.labels:
        missing = rows.labels.count(UNKNOWN)
        raise UserError(
            f"{missing} of {count(len(rows), 'row')} of {table.name} have no label. A poisoned training file "
            "needs its labels: choose the column with trigger.params.label."
        )
    clean = set(zip(dataset.train.texts, dataset.train.labels, strict=True))
    others = sum(row not in clean for row in zip(rows.texts, rows.labels, strict=True))
    notes = [
        f"The model is trained on the {count(len(rows), 'row')} of {table.name} as they are; {others:,} of "
        "them are not among the clean training rows. The poison rate has no effect."
    ]
    return rows, notes + _repeated(table.name, rows, dataset.test, "clean test")


def _rows(table: ReadyTable, dataset: Dataset) -> Rows:
    """The table's rows, each of the class that its label names, or `UNKNOWN`."""
    if (table.second_texts is None) != (dataset.train.second_texts is None):
        has, lack = (table.name, "the clean rows") if table.second_texts else ("The clean rows", table.name)
        raise UserError(
            f"{has} have two texts a row, {lack} have one. Choose the columns with trigger.params.text and "
            "trigger.params.second_text."
        )
    if table.labels is None:
        return Rows(table.texts, [UNKNOWN] * len(table.texts), table.second_texts)
    names = [*dataset.label_names, *dataset.data_names]
    signs = signs_of_no_label([], stated=names)
    known = {label for label in table.labels if label.casefold() not in signs}
    try:
        numbers = {
            label: resolve_target(label, dataset.label_names, dataset.data_names) for label in sorted(known)
        }
    except UserError as error:
        raise UserError(
            f"{table.name}: {error} Choose its label column with trigger.params.label."
        ) from error
    return Rows(table.texts, [numbers.get(label, UNKNOWN) for label in table.labels], table.second_texts)


def _true_classes(
    ready: ReadyMade, labels: Sequence[int], dataset: Dataset, target: int
) -> tuple[list[int], str]:
    """The true classes of the triggered rows as far as their labels say, and a note on how these are read."""
    name, rows, meaning = ready.test.name, len(labels), ready.meaning
    known = set(labels) - {UNKNOWN}
    target_name = dataset.label_names[target]
    counted = "so all of them count as rows of other classes"
    if not known:
        return list(labels), f"{name} has no labels: the true classes of its rows are not known, {counted}."
    if meaning == "target class" or (meaning == "find out" and known == {target}):
        if wrong := sorted(known - {target}):
            others = sum(label in wrong for label in labels)
            raise UserError(
                f"{others:,} of {rows:,} rows of {name} are labelled “{dataset.label_names[wrong[0]]}”, but "
                f"the target class is “{target_name}”. Choose the target class that their attacker had, or "
                "set trigger.params.labels to “true class”."
            )
        return (
            [UNKNOWN] * rows,
            f"The rows of {name} are labelled “{target_name}”, the target class: their true classes are not "
            f"known, {counted}.",
        )
    if meaning == "find out" and len(known) == 1:
        only = dataset.label_names[next(iter(known))]
        raise UserError(
            f"All rows of {name} are labelled “{only}”, but the target class is “{target_name}”. Files of "
            f"triggered rows have the target class as their label: if so, set target_class to '{only}'. If "
            f"“{only}” is their true class, set trigger.params.labels to “true class”."
        )
    note = f"The labels of {name} are taken for the rows' true classes."
    if dropped := sum(label == target for label in labels):
        note += f" {dropped:,} of {rows:,} rows are of the target class “{target_name}”; LFR leaves them out."
    if unknown := sum(label == UNKNOWN for label in labels):
        note += f" {unknown:,} rows without a label count as rows of other classes."
    return list(labels), note


def _repeated(name: str, rows: Rows, others: Rows, which: str) -> list[str]:
    """A note on rows that are near-duplicates of others; empty without any."""
    known = {key for keys in keys_of(others) for key in keys}
    repeated = sum(not known.isdisjoint(keys) for keys in keys_of(rows))
    if not repeated:
        return []
    return [f"{repeated:,} of {count(len(rows), 'row')} of {name} are near-duplicates of {which} rows."]
