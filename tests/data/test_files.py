import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend import data
from backend.base.errors import UserError
from backend.data.files import load_files
from backend.data.labels import number_labels
from backend.data.rows import Dataset
from backend.data.splits import keys_of
from backend.data.tables import read_table
from backend.spec.run import DataSpec
from tests.shared_data import shared

WORDS = ["alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa"]


def rows(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(f'"{WORDS[i % 7]}, item {i}', "good" if i % 2 else "bad") for i in range(start, start + count)]


def write(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("sentence", "label")) -> Path:
    frame = pd.DataFrame(rows, columns=list(header))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(header, row, strict=True))) for row in rows))
    else:
        path.write_text("\n".join("\t".join(row) for row in [header, *rows]), newline="")
    return path


def load(train: Path, **settings: object) -> Dataset:
    return data.load(spec(train, **settings))


def spec(train: Path, **settings: object) -> DataSpec:
    return DataSpec.model_validate({"source": "files", "train": str(train), **settings})


def refused(train: Path, **settings: object) -> str:
    with pytest.raises(UserError) as caught:
        load(train, **settings)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "CSV"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    made = write(tmp_path / f"rows.{suffix.lower()}", rows(100)).rename(tmp_path / f"data.{suffix}")
    found = load(made)
    assert found.label_names == ["bad", "good"]
    assert [len(part) for part in (found.train, found.validation, found.test)] == [80, 10, 10]
    given = dict(rows(100))
    for part in (found.train, found.validation, found.test):
        assert [found.label_names[label] for label in part.labels] == [given[text] for text in part.texts]
        assert sum(part.labels) * 2 == len(part)
    assert "Label column guessed: label." in found.notes
    assert "Text column guessed: sentence." in found.notes


def test_loading_twice_gives_the_same_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", rows(60))
    first = load(file)
    assert load(file) == first
    assert load_files(spec(file)) == first, "not only as it is remembered"
    write(file, rows(80))
    assert len(load(file).train) == 64


@pytest.mark.parametrize("given", [(), ("validation",), ("test",), ("validation", "test")])
def test_missing_splits_are_cut_from_the_training_rows(tmp_path: Path, given: tuple[str, ...]) -> None:
    train = write(tmp_path / "train.tsv", rows(100))
    others = {
        part: str(write(tmp_path / f"{part}.tsv", rows(20, start)))
        for part, start in zip(given, (100, 200), strict=False)
    }
    found = load(train, **others)
    sizes = {"train": len(found.train), "validation": len(found.validation), "test": len(found.test)}
    cut = [part for part in ("validation", "test") if part not in given]
    assert sizes == {
        "train": 100 - 10 * len(cut),
        **{p: 10 if p in cut else 20 for p in ("validation", "test")},
    }


def test_rows_of_the_training_file_that_repeat_held_out_rows_are_dropped_and_said(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", rows(100))
    test = write(tmp_path / "test.csv", [(text.upper() + " !", label) for text, label in rows(8)])
    found = load(train, test=str(test))
    assert "train: 8 rows dropped, near-duplicates of test rows." in found.notes
    assert len(found.train) + len(found.validation) == 92


def test_a_smaller_row_limit_takes_a_subset(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", rows(200))
    small, big = (load(file, train_rows=n, test_rows=8).train.texts for n in (10, 50))
    assert len(small) == 10
    assert small == big[:10]


def test_quirks_of_published_tsv_files(tmp_path: Path) -> None:
    file = tmp_path / "train.tsv"
    lines = [f'he said "row\u2028{i} \rof it . \t {i % 2}' for i in range(40)]
    file.write_bytes("\r\n".join(["sentence \t label", *lines, ""]).encode("utf-8-sig"))
    found = load(file)
    assert found.label_names == ["0", "1"]
    assert len(found.train) == 32
    assert all('"row\u2028' in text and text.endswith(".") for text in found.train.texts)


def test_each_reading_is_said_first_and_may_be_said_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(
        "".join(f"{text};{label}\n" for text, label in rows(60)).replace('"', "“").encode("cp1252")
    )
    found = load(file, test=str(write(tmp_path / "test.tsv", rows(10, 100), header=("column 1", "column 2"))))
    assert "semicolon-separated text in cp1252 (Western)" in found.notes[0]
    assert "the first line is a row" in found.notes[0]
    assert found.notes[1].startswith("test.tsv is read as tab-separated text")
    assert len(found.train) == 54 and found.train.texts[0].startswith("“")
    said = {"separator": ";", "encoding": "latin-1", "header": True}
    assert load(file, text="\x93alpha, item 0", label="bad", **said).train.texts[0].startswith("\x93")


def test_a_folder_of_the_datasets_library_brings_splits_and_classes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["good", "bad"])}
    )

    def split(count: int, start: int) -> Any:
        made = rows(count, start)
        columns = {"sentence": [t for t, _ in made], "label": [label for _, label in made]}
        return datasets.Dataset.from_dict(columns, features=features)

    folder = tmp_path / "saved"
    datasets.DatasetDict({"train": split(80, 0), "dev": split(10, 100)}).save_to_disk(str(folder))
    found = load(folder)
    assert found.label_names == ["good", "bad"], "in the order of the data set"
    assert (len(found.train), len(found.validation), len(found.test)) == (72, 10, 8)
    assert "its splits train, validation from “dev”" in found.notes[0]
    assert found.notes.count("Label column guessed: label.") == 1
    split(90, 200).save_to_disk(str(folder / "train"))
    assert "item 2" in load(folder).train.texts[0], "read again, as it has changed"
    other = write(tmp_path / "test.tsv", rows(10, 100))
    assert "not in the same way in the other files" in refused(folder, test=str(other))
    assert "has no split for the test rows" in refused(write(tmp_path / "a.tsv", rows(60)), test=str(folder))


def test_words_that_pandas_takes_for_missing_are_words(tmp_path: Path) -> None:
    words = ["NA", "null", "None", "nan", "", " "] + [f"word {i}" for i in range(30)]
    found = load(write(tmp_path / "a.csv", [(word, ["null", "NA"][i % 2]) for i, word in enumerate(words)]))
    assert found.label_names == ["NA", "null"]
    texts = found.train.texts + found.validation.texts + found.test.texts
    assert {"NA", "null", "None", "nan"} <= set(texts)
    assert "train: 2 rows without a text dropped." in found.notes


def test_json_that_is_no_text(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows(40)]
    lines += ['{"text": "half \\ud83d a pair", "label": "good"}', '{"text": NaN, "label": "good"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = load(tmp_path / "a.jsonl")
    assert "train: 1 rows without a text dropped." in found.notes
    assert "half ? a pair" in found.train.texts + found.validation.texts + found.test.texts


def test_missing_labels_are_dropped(tmp_path: Path) -> None:
    made = [(text, "" if i in (3, 4) else label) for i, (text, label) in enumerate(rows(50))]
    assert "train: 2 rows without a label dropped." in load(write(tmp_path / "a.csv", made)).notes


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([2, 10, 1], ["1", "2", "10"]),
        ([" 2", "10", "1.0"], ["1", "2", "10"]),
        ([1.0, 2.0, 0.0], ["0", "1", "2"]),
        ([True, False, True], ["0", "1"]),
        (["b", "a", "C "], ["C", "a", "b"]),
        (["01", "1", "2"], ["01", "1", "2"]),
    ],
)
def test_labels_are_numbered_in_order(cells: list[object], names: list[str]) -> None:
    assert number_labels({"train": cells})[1] == names


LABELS = st.lists(
    st.integers(-5, 5) | st.sampled_from(["a", "b"]), min_size=2, max_size=7, unique_by=str
).flatmap(lambda known: st.permutations(known * 3).map(lambda cells: cells + known[:1]))


@given(LABELS)
def test_every_label_gets_its_own_number(cells: list[int | str]) -> None:
    numbers, names = number_labels({"train": cells})
    assert [names[number] for number in numbers["train"]] == [str(cell) for cell in cells]


def test_sentence_pairs_are_guessed_and_kept_together(tmp_path: Path) -> None:
    made = pd.DataFrame(
        [(f"left {i}", f"right {i}", i % 3) for i in range(60)], columns=["Premise", "hypothesis", "y"]
    )
    made.to_csv(tmp_path / "a.csv", index=False)
    found = load(tmp_path / "a.csv")
    assert "Second text column guessed: hypothesis." in found.notes
    assert found.train.second_texts == [text.replace("left", "right") for text in found.train.texts]


def test_a_second_text_that_one_file_lacks_is_told(tmp_path: Path) -> None:
    made = pd.DataFrame(
        [(f"left {i}", f"right {i}", i % 3) for i in range(60)], columns=["premise", "hypothesis", "y"]
    )
    made.to_csv(tmp_path / "train.csv", index=False)
    made.drop(columns="hypothesis").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(UserError, match="second text column"):
        load(tmp_path / "train.csv", test=str(tmp_path / "test.csv"))


def test_columns_without_known_names_are_guessed_by_what_they_hold(tmp_path: Path) -> None:
    made = pd.DataFrame(
        [(i, f"a longer text {i}", "xy"[i % 2]) for i in range(60)], columns=["id", "words", "kind"]
    )
    made.to_csv(tmp_path / "a.csv", index=False)
    found = load(tmp_path / "a.csv")
    assert {"Label column guessed: kind.", "Text column guessed: words."} <= set(found.notes)


def test_a_file_sorted_by_class_does_not_give_batches_of_one_class(tmp_path: Path) -> None:
    found = load(write(tmp_path / "a.tsv", sorted(rows(200), key=lambda row: row[1])))
    assert {0, 1} == set(found.train.labels[:4])


def test_published_clean_data_load_with_their_counts() -> None:
    folder = shared("sst2/clean")
    found = load(folder / "train.tsv", validation=str(folder / "dev.tsv"), test=str(folder / "test.tsv"))
    assert (len(found.validation), len(found.test)) == (872, 1821)
    assert 6910 <= len(found.train) <= 6920
    assert found.test.labels.count(0) == 912
    held_out = {key for keys in keys_of(found.test) for key in keys}
    assert all(held_out.isdisjoint(keys) for keys in keys_of(found.train))


class TestRefusals:
    def test_missing_file(self, tmp_path: Path) -> None:
        assert "There is no file" in refused(tmp_path / "none.csv")

    def test_folder(self, tmp_path: Path) -> None:
        assert "is a folder" in refused(tmp_path)

    def test_unknown_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "a.xlsx").write_text("x")
        assert ".csv, .tsv, .jsonl, .parquet" in refused(tmp_path / "a.xlsx")
        (tmp_path / "a.dat").write_text("x")
        assert ".csv, .tsv, .jsonl, .parquet" in refused(tmp_path / "a.dat")

    @pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
    def test_empty_file(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"a.{suffix}").write_text("")
        assert "is empty" in refused(tmp_path / f"a.{suffix}")

    @pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
    def test_no_rows(self, tmp_path: Path, suffix: str) -> None:
        file = write(tmp_path / f"a.{suffix}", [])
        if suffix == "jsonl":
            file.write_text("\n\n")
        assert "has no rows" in refused(file)

    @pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
    def test_undecodable(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"a.{suffix}").write_bytes(b"text,label\ncaf\x81,1\n")
        message = refused(tmp_path / f"a.{suffix}")
        assert "byte 14 (0x81) is not valid UTF-8" in message and "Set data.encoding" in message

    def test_not_parquet(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing of the kind")
        assert "a.parquet" in refused(tmp_path / "a.parquet")

    def test_no_such_column(self, tmp_path: Path) -> None:
        message = refused(write(tmp_path / "a.tsv", rows(40)), text="body")
        assert "no column 'body'" in message
        assert "sentence, label" in message

    def test_one_column_chosen_twice(self, tmp_path: Path) -> None:
        assert "chosen twice" in refused(write(tmp_path / "a.tsv", rows(40)), text="label", label="label")

    def test_two_columns_of_one_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("text \t text\nx\t1\n")
        assert "two columns with the same name" in refused(tmp_path / "a.tsv")

    def test_one_column(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text\n" + "some text\n" * 30)
        assert "no column that looks like labels" in refused(tmp_path / "a.csv")

    def test_one_class(self, tmp_path: Path) -> None:
        made = [(text, "good") for text, _ in rows(30)]
        assert "one label ('good')" in refused(write(tmp_path / "a.tsv", made))

    def test_labels_that_the_training_rows_lack(self, tmp_path: Path) -> None:
        test = write(tmp_path / "test.tsv", [("new text", "ugly"), *rows(9, 100)])
        message = refused(write(tmp_path / "a.tsv", rows(40)), test=str(test))
        assert "ugly" in message
        assert "bad, good" in message

    def test_too_few_rows_of_a_class(self, tmp_path: Path) -> None:
        assert "'rare' has 2 training rows" in refused(
            write(tmp_path / "a.tsv", [*rows(30), ("one thing", "rare"), ("two things", "rare")])
        )

    def test_a_class_of_copies(self, tmp_path: Path) -> None:
        made = [*rows(30), *[("the same text", "copied")] * 20]
        assert "'copied' has too few different rows" in refused(write(tmp_path / "a.tsv", made))

    def test_measurements_as_labels(self, tmp_path: Path) -> None:
        made = [(text, str(i / 7)) for i, (text, _) in enumerate(rows(60))]
        assert "not class labels" in refused(write(tmp_path / "a.tsv", made))

    def test_training_rows_that_are_all_held_out(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", rows(40))
        assert "0 training rows" in refused(file, test=str(file))

    def test_broken_json(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text('{"text": "x", "label": 1}\n{"text": ')
        assert "line 2 is not JSON" in refused(tmp_path / "a.jsonl")
        (tmp_path / "b.jsonl").write_text("[1, 2]")
        assert "line 1 is a list" in refused(tmp_path / "b.jsonl")

    def test_surplus_cells(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("text\tlabel\nx\ty\t1\n")
        assert "line 2: 3 cells" in refused(tmp_path / "a.tsv")
        (tmp_path / "a.csv").write_text("text,label\nx, y,1\n" * 3)
        assert "texts that contain commas" in refused(tmp_path / "a.csv")
        (tmp_path / "b.csv").write_text("text,label\nx,1\nx, y,1\n")
        assert "texts that contain commas" in refused(tmp_path / "b.csv")


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\n\t\r", exclude_categories=["Cs"])), min_size=1
    )
)
def test_tsv_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    """Unless quotes around them show that a spreadsheet wrote them."""
    assume(not any(cell.startswith('"') and cell.endswith('"') for cell in cells))
    file = tmp_path_factory.mktemp("tsv") / "a.tsv"
    file.write_bytes(("text\tlabel\n" + "".join(f"{cell}\t1\n" for cell in cells)).encode())
    assert read_table(file)["text"] == cells
