"""The library page: what is there, adding, using, removing."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from backend.library.entries import uses
from backend.library.fetch import add_path
from backend.library.remembered import uploaded_rows
from backend.spec.presets import head_pruning
from backend.spec.run import DataSpec, RunSpec
from tests.headers import bert_folder, classifier
from tests.pages.conftest import words
from tests.tiny import tiny_folder

ROWS = b"text,label\na fine film,1\na dull film,0\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_bytes(ROWS)
    return path


def add(page, place: str):
    next(box for box in page.button_group if box.label == "Add").set_value("A path on this machine").run()
    next(box for box in page.text_input if box.label == "Model folder or file of rows").set_value(place)
    next(button for button in page.button if button.label == "Add").click().run()
    assert not page.exception
    return page


def test_a_new_library_lists_what_is_built_in(visit):
    models, data = (frame.value for frame in visit("library").dataframe)
    assert len(models) == 2 and len(data) == 2
    assert models["SHA-256"].str.len().eq(64).all()


def test_a_file_of_rows_is_added_and_the_form_offers_it(visit, rows):
    page = add(visit("library"), str(rows))
    assert "reviews.csv is in the library" in page.success[0].value.replace("\\", "")
    assert "reviews.csv" in page.dataframe[1].value["Name"].tolist()
    attack = visit("attack", data=f"files:{rows}")
    assert str(rows) in [box.value for box in attack.selectbox]


def test_a_wrong_path_is_a_message(visit):
    page = add(visit("library"), "/no/such/place")
    assert "There is nothing at /no/such/place" in page.error[0].value.replace("\\", "")


def test_what_a_waiting_run_reads_is_known(rows):
    entry = add_path(str(rows))
    reading = RunSpec(data=DataSpec(source="files", train=str(rows)), defense=head_pruning())
    assert uses(reading, entry)
    assert not uses(RunSpec(defense=head_pruning()), entry)


def choose(page, table: int, row: int):
    """Select a row, as a click on it would."""
    page.session_state[page.dataframe[table].key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    page.run()
    assert not page.exception
    return page


def press(page, label: str):
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def upload(page, name: str, content: bytes):
    next(box for box in page.button_group if box.label == "Add").set_value("An upload").run()
    page.file_uploader[0].set_value((name, content, "application/octet-stream")).run()
    return press(page, "Add the upload")


def names(page, table: int) -> list[str]:
    return page.dataframe[table].value["Name"].tolist()


def test_rows_are_uploaded_looked_at_and_removed(visit):
    page = upload(visit("library"), "mine.csv", ROWS)
    assert "mine.csv is in the library" in page.success[0].value.replace("\\", "")
    row = names(page, 1).index("mine.csv")
    page = choose(page, 1, row)
    assert page.code[0].value == hashlib.sha256(ROWS).hexdigest()
    assert "deleted for good" in words(page)
    page = press(page, "Remove from this machine")
    assert "removed from the library" in page.success[0].value and "mine.csv" not in names(page, 1)
    assert not uploaded_rows()


def test_a_model_is_uploaded_with_its_shards(visit, tmp_path):
    folder = tiny_folder(tmp_path / "suspect")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    save_file({"weight": np.zeros(2)}, folder / "model-00002-of-00002.safetensors")
    places = {str(number): f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    archive = shutil.make_archive(str(tmp_path / "suspect"), "zip", folder)
    page = upload(visit("library"), "suspect.zip", Path(archive).read_bytes())
    row = next(i for i, name in enumerate(names(page, 0)) if name.startswith("suspect (BERT"))
    page = choose(page, 0, row)
    assert "model-00001-of-00002.safetensors\n" in page.code[0].value
    assert page.code[0].value.endswith(page.dataframe[0].value["SHA-256"][row])


def test_a_model_is_listed_with_its_classes(visit, tmp_path):
    folder = bert_folder(tmp_path / "whole", classifier(), id2label={"0": "negative", "1": "positive"})
    page = add(visit("library"), str(folder))
    row = names(page, 0).index("whole (BERT, 2 layers × 4 heads)")
    assert page.dataframe[0].value["Classes"][row] == "negative, positive"
    assert "Its classes: negative, positive" in words(choose(page, 0, row))


def test_a_checkpoint_of_a_training_is_chosen_and_added(visit, tmp_path):
    for number in (500, 1000):
        bert_folder(tmp_path / "out" / f"checkpoint-{number}", classifier())
    page = add(visit("library"), str(tmp_path / "out"))
    assert not page.error and "holds no model itself" in words(page)
    box = next(box for box in page.selectbox if box.label == "Model inside that folder")
    assert box.options == ["checkpoint-500", "checkpoint-1000"]
    press(page, "Add this model")
    assert "checkpoint-1000 (BERT, 2 layers × 4 heads)" in names(page, 0)


def test_a_model_that_is_none_of_ours_is_a_message(visit, tmp_path):
    folder = bert_folder(tmp_path / "tagger", classifier(), architectures=["BertForTokenClassification"])
    page = add(visit("library"), str(folder))
    assert "a head for token classification" in page.error[0].value and len(names(page, 0)) == 2


def test_an_upload_that_is_no_rows_is_a_message_and_is_not_kept(visit):
    page = upload(visit("library"), "mine.csv", b"")
    assert "empty" in page.error[0].value and len(names(page, 1)) == 2  # built in
    assert not uploaded_rows()


def test_what_a_waiting_run_reads_is_not_removed(visit, store, rows):
    add_path(str(rows))
    spec = RunSpec(name="Waiting", data=DataSpec(source="files", train=str(rows)), defense=head_pruning())
    run = store.submit(spec).id
    page = visit("library")
    page = choose(page, 1, names(page, 1).index("reviews.csv"))
    assert "Run Waiting uses it" in words(page)
    store.cancel(run)
    page = press(page.run(), "Remove from the list")
    assert rows.is_file() and "reviews.csv" not in names(page, 1)
