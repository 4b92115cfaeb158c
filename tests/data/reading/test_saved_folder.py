"""Folders that `save_to_disk` wrote."""

import json
from pathlib import Path

import pytest

from backend.base.errors import UserError
from backend.data.reading import bounds
from backend.data.reading.saved_folder import arrow_files, is_saved, read_saved
from backend.data.reading.table import WHOLE

datasets = pytest.importorskip("datasets")


def rows(start: int = 0) -> dict[str, list]:
    return {"text": [f"a text {i}" for i in range(start, start + 8)], "label": [i % 2 for i in range(8)]}


def dataset(start: int = 0, names: list[str] | None = None):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value("int64")})
    if names:
        features["label"] = datasets.ClassLabel(names=names)
    return datasets.Dataset.from_dict(rows(start), features=features)


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_saved(folder)
    return str(caught.value)


def test_one_data_set(tmp_path: Path) -> None:
    dataset(names=["bad", "good"]).save_to_disk(str(tmp_path / "mine"), num_shards=3)
    result = read_saved(tmp_path / "mine")
    assert is_saved(tmp_path / "mine") and not is_saved(tmp_path)
    assert len(arrow_files(tmp_path / "mine")) == 3
    assert result.tables == {WHOLE: rows()} and result.classes == {"label": ["bad", "good"]}
    assert result.notes == ["mine is read as a folder of the datasets library."]


def test_splits_become_those_of_a_run(tmp_path: Path) -> None:
    splits = {"train": dataset(), "dev": dataset(20), "test": dataset(40), "unsupervised": dataset(60)}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "mine"))
    result = read_saved(tmp_path / "mine")
    assert result.tables == {"train": rows(), "validation": rows(20), "test": rows(40)}
    assert "train, validation from “dev”, test" in result.notes[0]
    assert "unsupervised are left out" in result.notes[1]


def test_lists_and_arrays_are_no_columns_here(tmp_path: Path) -> None:
    nested = datasets.Dataset.from_dict(rows() | {"tokens": [[1, 2]] * 8})
    nested.save_to_disk(str(tmp_path / "mine"))
    assert read_saved(tmp_path / "mine").tables == {WHOLE: rows()}


def test_a_folder_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    dataset().save_to_disk(str(tmp_path / "mine"))
    state = tmp_path / "mine" / "state.json"
    settings = json.loads(state.read_text())
    state.write_text(json.dumps(settings | {"_data_files": [{"filename": "../other.arrow"}]}))
    assert "names the file '../other.arrow', which is not in the folder" in refused(tmp_path / "mine")
    state.write_text(json.dumps(settings | {"_data_files": [{"filename": "gone.arrow"}]}))
    assert "gone.arrow is missing" in refused(tmp_path / "mine")
    state.write_text(json.dumps(settings | {"_indices_data_files": [{"filename": "i.arrow"}]}))
    assert "flatten_indices" in refused(tmp_path / "mine")
    state.write_text("[")
    assert "cannot be read" in refused(tmp_path / "mine")
    (tmp_path / "mine" / "dataset_dict.json").write_text('{"splits": ["../elsewhere"]}')
    assert "names no splits" in refused(tmp_path / "mine")
    (tmp_path / "mine" / "dataset_dict.json").write_text('{"splits": ["heldout"]}')
    assert "has no split “train”; it has: heldout" in refused(tmp_path / "mine")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    dataset().save_to_disk(str(tmp_path / "mine"))
    (file,) = arrow_files(tmp_path / "mine")
    file.write_bytes(b"no arrow at all")
    assert "is not a readable folder of the datasets library" in refused(tmp_path / "mine")


def test_splits_that_number_their_classes_differently_are_refused(tmp_path: Path) -> None:
    splits = {"train": dataset(names=["bad", "good"]), "test": dataset(names=["good", "bad"])}
    for name, split in splits.items():
        split.save_to_disk(str(tmp_path / "mine" / name))
    (tmp_path / "mine" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert "number their classes differently" in refused(tmp_path / "mine")


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset().save_to_disk(str(tmp_path / "mine"))
    monkeypatch.setattr(bounds, "MOST_ROWS", 7)
    assert "more than 7 rows" in refused(tmp_path / "mine")
