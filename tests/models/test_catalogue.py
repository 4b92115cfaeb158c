"""A folder that is no model, and what lies in it."""

import json
from pathlib import Path

import pytest

from backend.base.errors import UserError
from backend.models.catalogue import base_model, is_same_model, model_folder, models_inside
from backend.models.received import read_model
from backend.spec.run import ModelSpec
from tests.headers import bert_folder, classifier


def problem(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        model_folder(ModelSpec(source="folder", name=str(folder)))
    return str(caught.value)


def test_the_checkpoints_of_a_training_are_offered_by_their_numbers(tmp_path: Path) -> None:
    for number in (1000, 500):
        bert_folder(tmp_path / "out" / f"checkpoint-{number}", classifier())
    (tmp_path / "out" / "runs").mkdir()
    assert [path.name for path in models_inside(tmp_path / "out")] == ["checkpoint-500", "checkpoint-1000"]
    said = problem(tmp_path / "out")
    assert "checkpoint-500, checkpoint-1000" in said and said.endswith("out/checkpoint-1000.")


def test_the_only_folder_of_an_unpacked_archive_is_offered(tmp_path: Path) -> None:
    inner = bert_folder(tmp_path / "unpacked" / "suspect", classifier())
    assert models_inside(tmp_path / "unpacked") == [inner] and str(inner) in problem(tmp_path / "unpacked")


def test_a_model_is_not_searched_for_others(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    bert_folder(folder / "1_Pooling", classifier())
    assert models_inside(folder) == [] and models_inside(tmp_path / "nothing") == []
    assert model_folder(ModelSpec(source="folder", name=str(folder))) == folder


def test_an_adapter_names_its_base_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased"}'
    )
    said = problem(tmp_path)
    assert "adapter" in said and "'google-bert/bert-base-uncased'" in said and "merge" in said


def test_an_index_alone_is_left_to_the_check_of_what_it_names(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {"a": "/elsewhere/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert model_folder(ModelSpec(source="folder", name=str(folder))) == folder
    with pytest.raises(
        UserError, match=r"names '/elsewhere/model\.safetensors', but every weights file must"
    ):
        read_model(folder)


def test_pickled_weights_are_named_without_a_way_around(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "model", classifier())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    said = problem(folder)
    assert "no .safetensors weights, only pytorch_model.bin" in said
    assert not any(switch in said for switch in ("weights_only", "torch.load", "trust_remote_code"))


def test_a_base_is_a_folder_or_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "here").mkdir(parents=True)
    sources = {name: base_model(name).source for name in ("owner/name", "bert-base-uncased", "owner/here")}
    assert sources == {"owner/name": "hub", "bert-base-uncased": "hub", "owner/here": "folder"}
    assert {base_model(name).source for name in ("./gone", "/gone", "~/gone")} == {"folder"}
    assert base_model("").source == "embedded"
    assert base_model("owner/here").head == "fresh"


def test_the_same_model_is_known_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    here, link, gone = (base_model(str(tmp_path / name)) for name in (".", "link", "gone"))
    assert is_same_model(here, link) and not is_same_model(here, gone)
    assert is_same_model(base_model("a/b"), base_model("a/b")) and not is_same_model(base_model("a/b"), here)
