"""What users bring is checked, hashed, listed, and gone when they say so."""

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from backend.base.errors import UserError
from backend.data.embedded import KINDS, place_of
from backend.library.entries import Entry, entries, model_folders, remove, uses
from backend.library.fetch import add_path, add_upload, fetch
from backend.spec.presets import head_pruning
from backend.spec.run import DataSpec, RunSpec
from tests.headers import bert_folder, classifier, encoder

pytestmark = pytest.mark.usefixtures("excise_home")

BERT = b'{"model_type": "bert"}'
ROWS = b"text,label\na fine film,1\na dull film,0\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = bert_folder(tmp_path / "suspect", encoder())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA model.\n")
    return folder


def brought() -> list[Entry]:
    return [entry for entry in entries() if entry.origin in ("folder", "upload")]


def packed(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def damaged(members: dict[str, bytes]) -> bytes:
    """An archive with a flipped byte in its compressed content."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = bytearray(made.getvalue())
    content[30 + len(next(iter(members))) + 2] ^= 255  # behind the header and the name
    return bytes(content)


def archive_of(model: Path, below: str = "", **more: bytes) -> bytes:
    return packed({f"{below}{path.name}": path.read_bytes() for path in model.iterdir()} | more)


def test_what_is_built_in_says_where_it_comes_from_and_what_it_is():
    known = {entry.name: entry for entry in entries()}
    assert {"minilm-l6", "smollm2-135m-instruct", "embedded", "kind-of-text"} <= set(known)
    for entry in known.values():
        assert "PyPI" in entry.source and entry.licence and len(entry.sha256 or "") == 64


def test_each_built_in_task_has_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EXCISE_CACHE", str(tmp_path))

    def known(name: str) -> Entry:
        return next(entry for entry in entries() if entry.name == name)

    assert known("embedded").bytes is None and known("kind-of-text").bytes is None
    for kind in KINDS:
        place = place_of(kind)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(kind)
    assert known("embedded").bytes == len("film review")
    assert known("kind-of-text").bytes == sum(map(len, KINDS)) - len("film review")
    kinds, reviews = (
        RunSpec(data=DataSpec(name=name), defense=head_pruning()) for name in ("kind-of-text", "")
    )
    assert uses(kinds, known("kind-of-text")) and not uses(reviews, known("kind-of-text"))
    assert uses(kinds, known("embedded")) and uses(reviews, known("embedded"))
    remove(known("kind-of-text"))
    assert known("kind-of-text").bytes is None and known("embedded").bytes == len("film review")


def test_a_folder_is_remembered_with_the_hash_of_its_weights_and_forgotten(model: Path):
    entry = add_path(str(model))
    assert entry.title == "suspect (BERT, 2 layers × 4 heads)"
    assert entry.sha256 == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert entry.licence == "apache-2.0"
    assert brought() == [entry] and model_folders() == [str(model)]
    add_path(str(model))
    assert len(brought()) == 1
    remove(entry)
    assert brought() == [] and (model / "model.safetensors").is_file()


def test_a_whole_classifier_is_listed_with_its_classes(model: Path, tmp_path: Path):
    names = {"0": "negative", "1": "positive"}
    whole = add_path(str(bert_folder(tmp_path / "whole", classifier(), id2label=names)))
    assert whole.classes == ["negative", "positive"] and whole.problem is None
    assert add_path(str(model)).classes == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"architectures": ["BertForTokenClassification"]}, "token classification"),
        ({"problem_type": "multi_label_classification"}, "several labels at once"),
        ({"quantization_config": {"load_in_8bit": True}}, "quantised"),
    ],
)
def test_a_model_of_another_kind_is_refused_when_it_is_added_and_says_why_if_it_becomes_one(
    tmp_path: Path, config, told
):
    folder = bert_folder(tmp_path / "whole", classifier())
    add_path(str(folder))
    bert_folder(folder, classifier(), **config)
    (entry,) = brought()
    assert told in (entry.problem or "")
    with pytest.raises(UserError, match=told):
        add_path(str(folder))
    with pytest.raises(UserError, match=told):
        add_upload("whole.zip", archive_of(folder))


def test_an_archive_of_a_training_says_which_models_it_holds(model: Path):
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    both = {
        f"out/checkpoint-{number}/{name}": content for number in (1, 2) for name, content in files.items()
    }
    with pytest.raises(UserError, match=r"2 models \(out/checkpoint-1, out/checkpoint-2\)"):
        add_upload("out.zip", packed(both))
    only = {name: content for name, content in both.items() if "checkpoint-2" in name}
    assert add_upload("out.zip", packed(only)).title == "out (BERT, 2 layers × 4 heads)"


def test_an_archive_of_an_adapter_names_its_base_model(excise_home: Path):
    adapter = {"lora/adapter_config.json": b'{"base_model_name_or_path": "owner/base"}'}
    with pytest.raises(UserError, match=r"adapter .*'owner/base'"):
        add_upload("lora.zip", packed(adapter))
    assert not list((excise_home / "models").iterdir())


def test_weights_that_change_after_they_were_added_are_noticed(model: Path):
    assert not add_path(str(model)).changed
    save_file(encoder(1) | {"pooler.dense.weight": np.ones((8, 8))}, model / "model.safetensors")
    assert brought()[0].changed
    add_path(str(model))
    assert not brought()[0].changed


def test_a_folder_that_vanished_stays_listed_without_a_size(model: Path, tmp_path: Path):
    add_path(str(model))
    model.rename(tmp_path / "elsewhere")
    (entry,) = brought()
    assert entry.bytes is None and entry.removable


@pytest.mark.parametrize("below", ["", "suspect/", "deep/er/"])
def test_an_uploaded_model_is_unpacked_and_removed(model: Path, excise_home: Path, below: str):
    entry = add_upload("../suspect.zip", archive_of(model, below))
    assert entry.path == excise_home / "models" / "suspect" and entry.origin == "upload"
    assert (entry.path / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="already"):
        add_upload("suspect.zip", archive_of(model, below))
    remove(entry)
    assert brought() == [] and not entry.path.exists()


def test_of_an_archive_nothing_but_a_models_files_is_unpacked(model: Path, excise_home: Path):
    evil = {"../../outside.json": b"{}", "run.py": b"print()", "pytorch_model.bin": b"x", "/abs.txt": b"x"}
    add_upload("suspect.zip", archive_of(model, **evil))
    assert {path.name for path in (excise_home / "models" / "suspect").iterdir()} == {
        "config.json",
        "tokenizer.json",
        "README.md",
        "model.safetensors",
    }
    assert not list(excise_home.parent.glob("**/outside.json"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.pdf", b"x", "neither a model nor rows"),
        ("model.zip", b"not a zip", "not a readable .zip"),
        ("model.zip", damaged({"config.json": b'{"a": "bcdefghijk"}'}), "not a readable .zip"),
        ("model.zip", packed({"weights.bin": b"x"}), "no config.json"),
        ("model.zip", packed({"config.json": b"{}", "pytorch_model.bin": b"x"}), "no .safetensors"),
        ("model.zip", packed({"config.json": b"[", "m.safetensors": b"x"}), "not readable JSON"),
        (
            "model.zip",
            packed({"config.json": b'{"model_type": "gpt2"}', "m.safetensors": b"x"}),
            "does not know where",
        ),
        (
            "model.zip",
            packed({"config.json": b'{"model_type": "bert"}', "m.safetensors": b"x"}),
            "no tokenizer",
        ),
        ("rows.csv", b"", "empty"),
    ],
)
def test_what_is_no_model_and_no_rows_is_refused_and_leaves_nothing(name, content, told, excise_home: Path):
    with pytest.raises(UserError, match=told):
        add_upload(name, content)
    assert brought() == []
    left = [path for folder in ("models", "uploads") for path in (excise_home / folder).glob("*")]
    assert left == []


def test_rows_are_listed_from_a_path_and_from_an_upload(tmp_path: Path):
    path = tmp_path / "reviews.csv"
    path.write_bytes(ROWS)
    here, uploaded = add_path(str(path)), add_upload("mine.csv", ROWS)
    assert [entry.title for entry in brought()] == ["reviews.csv", "mine.csv"]
    assert here.sha256 == uploaded.sha256 == hashlib.sha256(ROWS).hexdigest()
    remove(uploaded)
    assert [entry.title for entry in brought()] == ["reviews.csv"]


def test_rows_may_be_packed(tmp_path: Path):
    entry = add_upload("mine.zip", packed({"mine.csv": ROWS, "__MACOSX/._mine.csv": b"x"}))
    assert (entry.kind, entry.title) == ("data", "mine.zip")
    assert add_upload("rows.csv.gz", gzip.compress(ROWS)).kind == "data"


def test_a_folder_of_the_datasets_library_is_rows(tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "saved"))
    entry = add_path(str(tmp_path / "saved"))
    assert entry.kind == "data" and entry.sha256 and len(entry.files) == 2
    assert not brought()[0].changed
    datasets.Dataset.from_dict({"text": ["c"], "label": [0]}).save_to_disk(str(tmp_path / "saved" / "test"))
    assert brought()[0].changed
    remove(entry)
    assert brought() == [] and (tmp_path / "saved").is_dir()


@pytest.mark.parametrize("place", ["", "/no/such/place", "~nobody.csv", "x" * 300])
def test_a_path_to_nothing_is_a_message(place: str):
    with pytest.raises(UserError, match="Check"):
        add_path(place)


def test_without_the_hub_fetching_says_so(monkeypatch):
    monkeypatch.setattr("backend.library.fetch.hub_reachable", lambda: False)
    with pytest.raises(UserError, match="cannot be reached"):
        fetch("model", "owner/name")
    with pytest.raises(UserError, match="no hub name"):
        fetch("model", "../../etc")


@pytest.fixture
def hub(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Entry]:
    """The hub's cache with the model in it as it is now; gives back its entry."""
    repo = tmp_path / "hub" / "models--owner--suspect"
    snapshot, commit = repo / "snapshots" / ("a" * 40), "a" * 40
    for folder in (snapshot, repo / "blobs", repo / "refs"):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def cached() -> Entry:
        for path in model.iterdir():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            (repo / "blobs" / digest).write_bytes(path.read_bytes())
            (snapshot / path.name).symlink_to(repo / "blobs" / digest)
        (entry,) = (one for one in entries() if one.origin == "hub")
        return entry

    return cached


def test_a_hub_model_in_the_cache_is_listed_and_removed(model: Path, hub):
    bert_folder(model, classifier(), id2label={"0": "bad", "1": "good"})
    entry = hub()
    assert entry.name == "owner/suspect" and entry.licence == "apache-2.0"
    assert entry.title == "owner/suspect (BERT, 2 layers × 4 heads)" and entry.classes == ["bad", "good"]
    assert entry.sha256 == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    remove(entry)
    assert not [one for one in entries() if one.origin == "hub"]


def test_weights_in_several_files_have_a_hash_each_and_one_together(model: Path, hub):
    (model / "model.safetensors").unlink()
    hashes = {}
    tensors = list(encoder(1).items())
    for number in (2, 1):
        shard = model / f"model-0000{number}-of-00002.safetensors"
        save_file(dict(tensors[number - 1 :: 2]), shard)
        hashes[shard.name] = hashlib.sha256(shard.read_bytes()).hexdigest()
    index = model / "model.safetensors.index.json"
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    hashes[index.name] = hashlib.sha256(index.read_bytes()).hexdigest()
    save_file({"weight": np.zeros(2, dtype=np.float32)}, model / "not-loaded.safetensors")
    own, fetched = add_path(str(model)), hub()
    assert own.files == fetched.files == hashes
    together = "".join(hashes[name] for name in sorted(hashes))
    assert own.sha256 == fetched.sha256 == hashlib.sha256(together.encode()).hexdigest()


MINILM, SMOLLM = "minilm-l6", "smollm2-135m-instruct"


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"defense": {}}, {MINILM}),
        ({"model": {"source": "folder", "name": "/m"}, "defense": {}}, set()),
        ({"defense": {"onion": {}}}, {MINILM, SMOLLM}),
        ({"trigger": {"name": "instruct"}, "attack": {}}, {MINILM, SMOLLM}),
        (
            {
                "model": {"source": "folder", "name": "/m"},
                "trigger": {"name": "instruct", "params": {"model": "/own.gguf", "faithful_only": True}},
                "attack": {},
            },
            {MINILM},
        ),
        (
            {
                "model": {"source": "folder", "name": "/m"},
                "trigger": {"name": "instruct", "params": {"model": "/own.gguf"}},
                "attack": {},
            },
            {MINILM},
        ),
    ],
)
def test_which_built_in_models_a_run_reads(settings, read):
    spec = RunSpec.model_validate(settings)
    models = [entry for entry in entries() if entry.kind == "model" and entry.origin == "built in"]
    assert {entry.name for entry in models if uses(spec, entry)} == read
