"""No file that a model folder names gets loaded but its own safetensors, whoever asks for the model."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import constants

from backend.base.errors import UserError
from backend.base.events import RunFinished
from backend.cli.main import main
from backend.data.tokens import encode
from backend.engine.run import run
from backend.evaluation.evaluator import logits
from backend.library.entries import entries
from backend.library.fetch import add_path, add_upload
from backend.models import classifiers, language_models
from backend.spec.run import ModelSpec, RunSpec
from tests.tiny import tiny_folder, tiny_model, tiny_rows, tiny_tokenizer

NAMES = ["negative", "positive"]
INDEX = "model.safetensors.index.json"


class Payload:
    """Who unpickles it makes the folder `marker`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_folder(tmp_path / "suspect")


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a pickle of these tests leaves where it is run; to look into one as mere weights fails at once."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", load)
    return tmp_path / "a pickle was here"


def shard(folder: Path) -> None:
    """The folder's weights in two files and an index, as the library writes them."""
    (folder / "model.safetensors").unlink()
    tiny_model().save_pretrained(folder, max_shard_size="5KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1 and (folder / INDEX).is_file()


def index(folder: Path, *names: object) -> None:
    """An index that names these files as the weights, beside a file that it does not name."""
    if (folder / "model.safetensors").exists():
        (folder / "model.safetensors").rename(folder / "decoy.safetensors")
    places = {f"tensor {number}": name for number, name in enumerate(names)}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def names_another_file(name: str) -> Callable[[Path, Path], None]:
    def attack(folder: Path, marker: Path) -> None:
        (folder.parent / "other").mkdir()
        shutil.copy(folder / "model.safetensors", folder.parent / "other")
        place = folder / name.format(above=folder.parent)
        if not place.exists():
            torch.save(Payload(marker), place)
        index(folder, name.format(above=folder.parent))

    return attack


def shards_that_lack(*missing: str) -> Callable[[Path, Path], None]:
    def attack(folder: Path, marker: Path) -> None:
        shard(folder)
        for name in missing:
            next(folder.glob(f"model-{name}-of-*.safetensors")).unlink()

    return attack


def shards_without_an_index(folder: Path, marker: Path) -> None:
    shard(folder)
    (folder / INDEX).unlink()


def a_compact_export(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").rename(folder / "compact.safetensors")


def a_link(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    (folder / "shard.safetensors").symlink_to(folder.parent / "model.safetensors")
    index(folder, "shard.safetensors")


def a_link_without_index(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    (folder / "model.safetensors").symlink_to(folder.parent / "model.safetensors")


def a_pickle_under_that_name(folder: Path, marker: Path) -> None:
    torch.save(Payload(marker), folder / "model.safetensors")


def a_pickle_as_a_shard(folder: Path, marker: Path) -> None:
    torch.save(Payload(marker), folder / "shard.safetensors")
    index(folder, "shard.safetensors")


def a_missing_shard(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index(folder, "a.safetensors", "b.safetensors")


def an_index_of(text: str) -> Callable[[Path, Path], None]:
    def attack(folder: Path, marker: Path) -> None:
        (folder / "model.safetensors").rename(folder / "a.safetensors")
        (folder / INDEX).write_text(text)

    return attack


def setting(deep: bool) -> Callable[[Path, Path], None]:
    """A configuration that names another index than the usual one."""

    def attack(folder: Path, marker: Path) -> None:
        torch.save(Payload(marker), folder / "weights.txt")
        content = {"metadata": {}, "weight_map": {"x": "weights.txt"}}
        (folder / "own.safetensors.index.json").write_text(json.dumps(content))
        config = json.loads((folder / "config.json").read_text())
        named = {"transformers_weights": "own.safetensors.index.json"}
        (folder / "config.json").write_text(json.dumps(config | ({"text_config": named} if deep else named)))

    return attack


def an_adapter(folder: Path, marker: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "x"}')
    torch.save(Payload(marker), folder / "adapter_model.bin")


def distributed(folder: Path, marker: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "shard-00001-model-00001-of-00001.safetensors")


ATTACKS: list[tuple[Callable[[Path, Path], None], str]] = [
    (names_another_file("pytorch_model.bin"), "names 'pytorch_model.bin', but every"),
    (names_another_file("weights.txt"), "names 'weights.txt', but every"),
    (names_another_file("../other/model.safetensors"), r"names '\.\./other/model\.safetensors', but every"),
    (names_another_file("..\\model.safetensors"), "but every"),
    (names_another_file("{above}/other/model.safetensors"), "but every"),
    (names_another_file("weights.safetensors\n"), "but every"),
    (a_missing_shard, r"^b\.safetensors is missing"),
    (shards_that_lack("00002"), r"^model-00002-of-\d{5}\.safetensors is missing: "),
    (shards_that_lack("00001", "00003"), r"^model-00001-of-\d{5}\.safetensors, model-00003-.* are missing: "),
    (shards_without_an_index, rf"has model-00001-of-\d{{5}}\.safetensors but no {INDEX}"),
    (a_compact_export, "is a compact export"),
    (a_link, "a link to a file outside"),
    (a_link_without_index, "a link to a file outside"),
    (a_pickle_under_that_name, "not a complete safetensors file"),
    (a_pickle_as_a_shard, r"shard\.safetensors is not a complete safetensors file"),
    (an_index_of("{"), "not readable JSON"),
    (an_index_of("[" * 100_000), "not readable JSON"),
    (an_index_of('["a.safetensors"]'), "is not a valid index"),
    (an_index_of('{"weight_map": {"x": "a.safetensors"}}'), "is not a valid index"),
    (an_index_of('{"metadata": {}, "weight_map": ["a.safetensors"]}'), "is not a valid index"),
    (an_index_of('{"metadata": {}, "weight_map": {}}'), "is not a valid index"),
    (an_index_of('{"metadata": {}, "weight_map": {"x": ["a.safetensors"]}}'), "but every"),
    (setting(deep=False), "sets transformers_weights"),
    (setting(deep=True), "sets transformers_weights"),
    (an_adapter, "has an adapter"),
    (distributed, "distributed training"),
]
each_attack = pytest.mark.parametrize(("attack", "said"), ATTACKS)
# The content of a link is what an archive holds, and the hub's cache is made of links.
each_attack_without_links = pytest.mark.parametrize(
    ("attack", "said"), [one for one in ATTACKS if one[0] not in (a_link, a_link_without_index)]
)


def require_one_safe_sentence(text: str) -> None:
    """One line, which tells nobody to switch a protection off."""
    assert "\n" not in text.strip()
    for switch in ("weights_only", "trust_remote_code", "use_safetensors", "torch.load", "Traceback"):
        assert switch not in text


@each_attack
def test_a_folder_is_refused_wherever_it_is_loaded(
    folder: Path, marker: Path, attack: Callable[[Path, Path], None], said: str
) -> None:
    attack(folder, marker)
    spec = ModelSpec(source="folder", name=str(folder), head="keep")
    for load in (
        lambda: classifiers.load_classifier(spec, NAMES, 1),
        lambda: classifiers.load_checkpoint(folder),
        lambda: add_path(str(folder)),
        lambda: language_models.load(str(folder)),
    ):
        with pytest.raises(UserError, match=said) as told:
            load()
        require_one_safe_sentence(str(told.value))
    assert not marker.exists() and not any(entry.path == folder for entry in entries())


@each_attack_without_links
def test_an_uploaded_archive_is_refused_and_leaves_nothing(
    folder: Path, marker: Path, excise_home: Path, attack: Callable[[Path, Path], None], said: str
) -> None:
    attack(folder, marker)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    with pytest.raises(UserError, match=said) as told:
        add_upload("suspect.zip", made.getvalue())
    require_one_safe_sentence(str(told.value))
    assert not list((excise_home / "models").iterdir()) and not marker.exists()


@pytest.mark.parametrize("attack", [attack for attack, _ in ATTACKS[:3]])
def test_the_command_line_refuses_it_with_one_sentence(
    folder: Path,
    marker: Path,
    tmp_path: Path,
    settings: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    attack: Callable[[Path, Path], None],
) -> None:
    attack(folder, marker)
    settings["model"] = {"source": "folder", "name": str(folder)}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "spec.yaml")])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "but every weights file must be" in said and not marker.exists()
    require_one_safe_sentence(said)


def test_a_run_that_nothing_checked_before_fails_with_the_sentence(
    folder: Path, marker: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    settings["model"] = {"source": "folder", "name": str(folder)}
    names_another_file("weights.txt")(folder, marker)
    *_, ended = run(RunSpec.model_validate(settings), tmp_path / "run", run="r1")
    assert isinstance(ended, RunFinished) and ended.state == "failed"
    assert "names 'weights.txt'" in str(ended.error) and not marker.exists()


def test_a_model_in_several_files_is_loaded_and_all_are_hashed(folder: Path) -> None:
    rows = encode(tiny_tokenizer(), tiny_rows(8), 32)
    shard(folder)
    loaded, _ = classifiers.load_classifier(
        ModelSpec(source="folder", name=str(folder), head="keep"), NAMES, 1
    )
    assert np.allclose(logits(loaded, rows), logits(tiny_model(), rows), atol=1e-5)
    before = add_path(str(folder))
    read = [folder / INDEX, *folder.glob("model-*.safetensors")]
    assert before.files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in read}
    for path in read:
        content = path.read_bytes()
        path.write_bytes(content + b"\n" if path.name == INDEX else content[:-1] + bytes([content[-1] ^ 1]))
        assert add_path(str(folder)).sha256 != before.sha256, path.name
        path.write_bytes(content)


def test_a_file_that_is_not_loaded_is_not_hashed(folder: Path) -> None:
    before = add_path(str(folder)).sha256
    shutil.copy(folder / "model.safetensors", folder / "backup.safetensors")
    index(folder.parent, "weights.txt")
    shutil.copy(folder.parent / INDEX, folder)  # beside model.safetensors nobody reads it
    assert add_path(str(folder)).sha256 == before
    classifiers.load_checkpoint(folder)


@pytest.fixture
def cached(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Puts the folder into the hub's cache, as `owner/suspect`; the hub itself is out of reach."""

    def put() -> Path:
        repo = tmp_path / "hub" / "models--owner--suspect"
        snapshot = repo / "snapshots" / ("a" * 40)
        for place in (snapshot, repo / "blobs", repo / "refs"):
            place.mkdir(parents=True)
        (repo / "refs" / "main").write_text("a" * 40)
        for path in folder.iterdir():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            # The hub calls small files by another hash.
            blob = repo / "blobs" / (digest if path.suffix == ".safetensors" else digest[:40])
            blob.write_bytes(path.read_bytes())
            (snapshot / path.name).symlink_to(Path("../../blobs") / blob.name)
        return snapshot

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return put


def of_the_hub() -> ModelSpec:
    return ModelSpec(source="hub", name="owner/suspect", head="keep")


def test_a_hub_model_is_loaded_from_the_cache_and_all_its_files_are_hashed(
    folder: Path, cached: Callable[[], Path]
) -> None:
    shard(folder)
    cached()
    rows = encode(tiny_tokenizer(), tiny_rows(8), 32)
    loaded, _ = classifiers.load_classifier(of_the_hub(), NAMES, 1)
    assert np.allclose(logits(loaded, rows), logits(tiny_model(), rows), atol=1e-5)
    (fetched,) = (entry for entry in entries() if entry.origin == "hub")
    own = add_path(str(folder))
    assert fetched.files == own.files and fetched.sha256 == own.sha256
    assert INDEX in own.files


@each_attack_without_links
def test_a_hub_model_is_refused_before_it_is_loaded(
    folder: Path,
    marker: Path,
    cached: Callable[[], Path],
    attack: Callable[[Path, Path], None],
    said: str,
) -> None:
    attack(folder, marker)
    cached()
    for load in (
        lambda: classifiers.load_classifier(of_the_hub(), NAMES, 1),
        lambda: language_models.load("owner/suspect"),
    ):
        with pytest.raises(UserError, match=said) as told:
            load()
        require_one_safe_sentence(str(told.value))
    (entry,) = (entry for entry in entries() if entry.origin == "hub")
    assert entry.sha256 is None and not marker.exists()


def test_a_link_in_the_cache_to_a_file_elsewhere_is_refused(folder: Path, cached: Callable[[], Path]) -> None:
    snapshot = cached()
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(folder / "model.safetensors")
    with pytest.raises(UserError, match="a link to a file outside"):
        classifiers.load_classifier(of_the_hub(), NAMES, 1)


def test_a_half_fetched_hub_model_is_said(folder: Path, cached: Callable[[], Path]) -> None:
    snapshot = cached()
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"owner/suspect has no \.safetensors"):
        classifiers.load_classifier(of_the_hub(), NAMES, 1)


def test_a_model_that_needs_its_own_code_is_refused_without_advice_to_trust_it(
    folder: Path,
) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('strange code was run')")
    for load in (
        lambda: classifiers.load_classifier(ModelSpec(source="folder", name=str(folder)), NAMES, 1),
        lambda: language_models.load(str(folder)),
    ):
        with pytest.raises(UserError, match="code or pickles of its own") as told:
            load()
        require_one_safe_sentence(str(told.value))


def test_a_language_model_of_a_gguf_file_brings_no_adapter(folder: Path, marker: Path) -> None:
    (folder / "model.gguf").write_bytes(b"GGUF")
    an_adapter(folder, marker)
    with pytest.raises(UserError, match="has an adapter"):
        language_models.load(str(folder / "model.gguf"))
    assert not marker.exists()
