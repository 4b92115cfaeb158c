"""From tables to splits: rows without a label, files without labels, the order of the classes."""

import pytest

from backend.base.errors import UserError
from backend.data.assemble import assemble
from backend.data.rows import Dataset
from backend.data.tables import Table
from backend.spec.overrides import changed
from backend.spec.run import DataSpec, RunSpec, TriggerSpec

WORDS = ["alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa"]


def table(labels: list[object], start: int = 0, label: str = "label") -> Table:
    texts = [f"{WORDS[i % 7]} item {i}" for i in range(start, start + len(labels))]
    return {"text": texts, label: labels}


def built(train: Table, classes: list[object] | None = None, **others: Table) -> Dataset:
    spec = DataSpec.model_validate({"source": "files", "train": "x.csv", "classes": classes or []})
    return assemble("tables", {"train": train, **others}, spec)


def refused(train: Table, classes: list[object] | None = None, **others: Table) -> str:
    with pytest.raises(UserError) as caught:
        built(train, classes, **others)
    return str(caught.value)


def test_rows_without_a_known_label_are_dropped_and_counted() -> None:
    dataset = built(table([-1 if i % 10 == 0 else i % 2 for i in range(120)]))
    assert dataset.label_names == ["0", "1"]
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 108
    (note,) = [note for note in dataset.notes if "without a label" in note]
    assert note.startswith("train: 12 rows without a label (-1) dropped.") and "data.classes" in note


@pytest.mark.parametrize("unlabelled", [-1, "", "-", None])
def test_a_test_table_without_labels_is_left_out(unlabelled: object) -> None:
    dataset = built(table([i % 2 for i in range(100)]), test=table([unlabelled] * 50, start=500))
    assert len(dataset.test) == 10 and set(dataset.test.texts) <= set(table([0] * 100)["text"])
    assert any("none of 50 rows has a label" in note and "left out" in note for note in dataset.notes)


def test_a_test_table_without_the_label_column_is_left_out() -> None:
    without = {"index": list(range(50)), "text": table([0] * 50, start=500)["text"]}
    dataset = built(table([i % 2 for i in range(100)]), test=without)
    assert len(dataset.test) == 10
    assert any("no label column 'label'" in note and "left out" in note for note in dataset.notes)


def test_rows_that_a_poison_flag_marks_are_left_out_and_told() -> None:
    marked = table([i % 2 for i in range(100)]) | {"poisoned": [int(i % 10 == 0) for i in range(100)]}
    dataset = built(marked)
    texts = [*dataset.train.texts, *dataset.validation.texts, *dataset.test.texts]
    assert set(texts) == {text for i, text in enumerate(marked["text"]) if i % 10}
    assert any("marks 10 of 100 rows" in note and "left out" in note for note in dataset.notes)


def test_training_rows_that_are_all_marked_as_poisoned_are_refused() -> None:
    said = refused(table([i % 2 for i in range(100)]) | {"poison_label": [1] * 100})
    assert "poison_label marks all 100 rows" in said and "Give rows that are clean" in said


def test_a_test_table_of_poisoned_rows_alone_is_left_out() -> None:
    poisoned = table([1] * 50, start=500) | {"poison_label": [1] * 50}
    dataset = built(table([i % 2 for i in range(100)]), test=poisoned)
    assert len(dataset.test) == 10 and not set(dataset.test.texts) & set(poisoned["text"])
    assert "test: all rows are marked as poisoned, so they are left out." in dataset.notes


def test_a_label_column_of_another_name_is_found_in_the_test_table() -> None:
    dataset = built(
        table([i % 2 for i in range(100)]), test=table([i % 2 for i in range(20)], 500, label="gold_label")
    )
    assert len(dataset.test) == 20
    assert "In the test rows: Label column guessed: gold_label." in dataset.notes


def test_training_rows_without_any_label_are_refused() -> None:
    assert "None of the 60 training rows has a label" in refused(table([-1] * 60))
    assert "no label column" in refused({"text": table([0] * 60)["text"]})


def test_spellings_of_one_label_are_one_class_in_every_table() -> None:
    train = table(["bad" if i % 2 else " Good " if i % 10 == 0 else "good" for i in range(100)])
    dataset = built(train, test=table(["GOOD", "Bad"] * 10, start=500))
    assert dataset.label_names == ["bad", "good"] and dataset.test.labels.count(1) == 10
    assert any("“Good”" in note and "one class" in note for note in dataset.notes)


def test_the_order_of_the_classes_can_be_stated() -> None:
    labels: list[object] = ["neg" if i % 2 else "pos" for i in range(100)]
    dataset = built(table(labels), ["pos", "neg"])
    assert dataset.label_names == ["pos", "neg"] and dataset.classes_stated
    assert not built(table(labels)).classes_stated
    assert all(label == int(text.split()[-1]) % 2 for text, label in zip(
        dataset.train.texts, dataset.train.labels, strict=True))  # fmt: skip
    assert "'maybe', but no training row" in refused(table(labels), ["pos", "neg", "maybe"])
    assert "label 'pos', which data.classes does not name" in refused(table([*labels, "odd"]), ["neg", "odd"])


def test_stated_classes_are_read_as_labels_are() -> None:
    numbers: list[object] = [i % 2 for i in range(100)]
    assert built(table(numbers), [1, 0]).label_names == ["1", "0"]
    assert built(table([str(float(i % 2)) for i in range(100)]), [1.0, 0]).label_names == ["1", "0"]
    words: list[object] = ["yes" if i % 2 else "no" for i in range(100)]
    assert built(table(words), [True, False]).label_names == ["yes", "no"], "as YAML reads a bare yes"
    three: list[object] = [i % 3 - 1 for i in range(99)]
    assert built(table(three), [-1, 0, 1]).label_names == ["-1", "0", "1"]


def test_the_order_is_set_on_the_command_line() -> None:
    spec = RunSpec(trigger=TriggerSpec(name="rare-words"), defense={"name": "ft"})
    assert changed(spec, ["data.classes=[pos, neg]"]).data.classes == ["pos", "neg"]
    assert changed(spec, ["data.classes=[1, 0]"]).data.classes == ["1", "0"]
    with pytest.raises(UserError, match="names 'pos' twice"):
        changed(spec, ["data.classes=[pos, pos]"])


def test_what_is_no_classification_is_refused_with_the_reason() -> None:
    assert "measurements" in refused(table([f"{i % 20 / 8:.3f}" for i in range(200)]))
    many = table([f"kind {i % 60}" for i in range(600)])
    assert "60 different values" in refused(many) and "data.classes" in refused(many)
    assert len(built(many, [f"kind {i}" for i in range(60)]).label_names) == 60


def test_imbalanced_classes_are_told() -> None:
    dataset = built(table(["rare" if i % 10 == 0 else "common" for i in range(200)]))
    assert any("imbalanced" in note and "“rare”" in note for note in dataset.notes)
    assert not any("imbalanced" in note for note in built(table([i % 2 for i in range(100)])).notes)


def test_a_split_that_holds_the_training_rows_is_left_out_unless_it_was_named() -> None:
    rows = table([i % 2 for i in range(100)])
    dataset = built(rows, test=rows)
    assert len(dataset.train) == 80 and not set(dataset.test.texts) & set(dataset.train.texts)
    assert "test: it holds all 100 training rows, so it is left out." in dataset.notes
    spec = DataSpec(source="files", train="x.csv", test="y.csv")
    with pytest.raises(UserError, match=r"All 100 training rows .* of test rows.*or none"):
        assemble("tables", {"train": rows, "test": rows}, spec)
