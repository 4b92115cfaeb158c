"""What a worker in another folder is given to carry out."""

from pathlib import Path

import pytest

from backend.runs.store import open_store
from backend.runs.submit import settled
from backend.spec.presets import head_pruning
from backend.spec.run import CheckSpec, ModelSpec, RunSpec
from tests.headers import bert_folder, classifier, encoder


def head_of(model: ModelSpec) -> str:
    return settled(RunSpec(model=model, defense=head_pruning()), open_store()).model.head


def test_a_model_that_has_no_head_gets_a_fresh_one(excise_home: Path, tmp_path: Path) -> None:
    assert head_of(ModelSpec()) == "fresh"
    alone = str(bert_folder(tmp_path / "alone", encoder()))
    assert head_of(ModelSpec(source="folder", name=alone)) == "fresh"
    assert head_of(ModelSpec(source="folder", name=alone, random_weights=True)) == "fresh"


@pytest.mark.parametrize("head", ["auto", "keep", "fresh"])
def test_what_a_whole_classifier_does_with_its_head_stays_as_it_was_asked(
    excise_home: Path, tmp_path: Path, head: str
) -> None:
    whole = str(bert_folder(tmp_path / "whole", classifier()))
    assert head_of(ModelSpec(source="folder", name=whole, head=head)) == head


def test_a_model_that_is_not_there_yet_is_left_to_the_run(excise_home: Path, tmp_path: Path) -> None:
    assert head_of(ModelSpec(source="folder", name=str(tmp_path / "nothing"))) == "auto"


def test_a_relative_path_is_made_absolute(
    excise_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bert_folder(tmp_path / "whole", classifier())
    spec = RunSpec(model=ModelSpec(source="folder", name="whole"), defense=head_pruning())
    assert settled(spec, open_store()).model.name == str(tmp_path / "whole")


def test_the_base_of_a_check_is_found_from_another_folder_and_a_name_on_the_hub_stays(
    excise_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()

    def base_of(name: str) -> str:
        check = settled(RunSpec(check=CheckSpec(base=name)), open_store()).check
        assert check is not None
        return check.base

    assert base_of("base") == base_of("./base") == str(tmp_path / "base")
    assert base_of("owner/name") == "owner/name" and base_of("") == ""
