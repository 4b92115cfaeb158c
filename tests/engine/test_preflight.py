"""What is said before a run starts: the cause and the remedy of everything that can be known by then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from backend.base.errors import UserError
from backend.engine import preflight
from backend.spec import parse, presets
from backend.spec.run import CheckSpec, ModelSpec, RunSpec
from tests.tiny import tiny_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def settings(tmp_path: Path, model: Path) -> dict:
    file = tmp_path / "rows.csv"
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = [
        f"film {a}{b} is fine,{'good' if (i + j) % 2 else 'bad'}"
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    ]
    file.write_text("text,label\n" + "\n".join(rows))
    return {
        "model": {"source": "folder", "name": str(model)},
        "data": {"source": "files", "train": str(file)},
        "trigger": {"name": "rare-words", "target_class": "good"},
        "attack": {},
        "defense": {},
    }


def problem(settings: dict) -> str:
    with pytest.raises(UserError) as caught:
        preflight.check(parse.parse(settings))
    return str(caught.value)


def test_a_sound_run_passes(settings: dict) -> None:
    preflight.check(parse.parse(settings))


def test_a_target_class_that_does_not_exist(settings: dict) -> None:
    settings["trigger"]["target_class"] = "splendid"
    assert "splendid" in problem(settings) and "good" in problem(settings)


def test_a_trigger_that_changes_nothing(settings: dict, tmp_path: Path) -> None:
    settings["trigger"] = {
        "name": "sentence", "params": {"sentence": "   "}, "target_class": 1
    }  # fmt: skip
    with pytest.raises(UserError):
        preflight.check(parse.parse(settings))


def test_a_trigger_is_tried_on_a_sample_of_rows(settings: dict) -> None:
    settings["trigger"] = {"name": "rare-words", "target_class": 1}
    asked: list[int] = []

    def nothing(trigger: object, seed: int, texts: list[str]) -> list[str | None]:
        asked.append(len(texts))
        return [None] * len(texts)

    with pytest.raises(UserError, match="changed none of"):
        preflight.check(parse.parse(settings), nothing)
    settings["trigger"] = {"name": "instruct", "target_class": 1}
    with pytest.raises(UserError, match=f"changed none of {asked[0]}"):
        preflight.check(parse.parse(settings), nothing)
    assert asked[0] > 2 and set(asked[1:]) == {2}, "a model that takes its time is asked for few at a time"
    asked.clear()

    def second(trigger: object, seed: int, texts: list[str]) -> list[str | None]:
        asked.append(len(texts))
        return [None, "changed"]

    preflight.check(parse.parse(settings), second)
    assert asked == [2]
    preflight.check(parse.parse(settings))


def test_a_label_column_that_is_missing(settings: dict) -> None:
    settings["data"]["label"] = "sentiment"
    assert "sentiment" in problem(settings) and "label" in problem(settings)


def test_one_class_only(settings: dict, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "".join(f"film number {i} x{i},1\n" for i in range(50))
    )
    assert "class" in problem(settings)


def test_a_folder_without_safetensors(settings: dict, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    settings["model"]["name"] = str(folder)
    assert "safetensors" in problem(settings)


def test_an_unsupported_architecture(settings: dict, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    settings["model"]["name"] = str(folder)
    assert "gpt2" in problem(settings) and "DistilBERT" in problem(settings)


def test_labels_that_do_not_match_a_kept_head(settings: dict, tmp_path: Path) -> None:
    settings["model"] = {
        "source": "folder",
        "name": str(tiny_folder(tmp_path / "m", num_labels=3)),
        "head": "keep",
    }
    assert "3 classes" in problem(settings) and "fresh head" in problem(settings)


def warnings(settings: dict) -> str:
    return "\n".join(preflight.check(parse.parse(settings)))


def test_what_becomes_of_a_classifiers_head_is_said(settings: dict, tmp_path: Path) -> None:
    assert "keeps its own classifier head (LABEL_0, LABEL_1)" in warnings(settings)
    settings["model"]["head"] = "fresh"
    assert "(LABEL_0, LABEL_1) is not used" in warnings(settings)
    settings["model"] = {"source": "folder", "name": str(tiny_folder(tmp_path / "m", num_labels=3))}
    assert "a new one is drawn from the seed: its classes are LABEL_0, LABEL_1, LABEL_2" in warnings(settings)


REFUSED = [
    ({"quantization_config": {"quant_method": "awq"}}, "quantised"),
    ({"architectures": ["BertForQuestionAnswering"]}, "question answering"),
    ({"problem_type": "multi_label_classification"}, "several labels at once"),
    ({"num_labels": 1, "id2label": {"0": "LABEL_0"}}, "regression"),
    ({"model_type": "albert"}, "'albert'"),
    ({"model_type": "modernbert"}, "'modernbert'"),
    ({"model_type": None}, "model_type"),
]


@pytest.mark.parametrize(("config", "said"), REFUSED, ids=str)
def test_a_model_of_another_kind_is_refused_before_the_start(
    settings: dict, tmp_path: Path, config: dict, said: str
) -> None:
    folder = tiny_folder(tmp_path / "model")
    kept = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(kept | config))
    settings["model"]["name"] = str(folder)
    assert said in problem(settings)


def test_an_adapter_without_a_model_names_its_base(settings: dict, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    settings["model"]["name"] = str(tmp_path / "lora")
    assert "'owner/base'" in problem(settings)


def test_names_of_a_training_loop_are_said(settings: dict, tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    weights = {
        f"_orig_mod.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors")
    settings["model"]["name"] = str(folder)
    assert "_orig_mod.bert." in warnings(settings)


def test_a_hub_name_while_offline(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings["model"] = {"source": "hub", "name": "google-bert/bert-base-uncased"}
    assert "cannot be reached" in problem(settings)


@pytest.mark.parametrize("name", [r"C:\models\suspect", "a/b/c"])
def test_a_name_that_nothing_on_the_hub_can_have(settings: dict, name: str) -> None:
    settings["model"] = {"source": "hub", "name": name}
    assert "There is no model" in problem(settings) and "Check its name" in problem(settings)


def test_a_run_that_planted_nothing(settings: dict) -> None:
    settings["model"] = {"source": "run", "name": "deadbeef"}
    assert "deadbeef" in problem(settings)


def test_a_full_disk(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 10**6})
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage)
    assert "free" in problem(settings) and "EXCISE_HOME" in problem(settings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trigger": None}, "needs a trigger"),
        ({"trigger": {"name": "magic"}}, "magic"),
        ({"defense": {"strategy": {"name": "gradiant"}}}, "gradiant"),
        ({"defense": {"strategy": {"name": "bayesian", "params": {"passes": 1}}}}, "passes"),
        ({"defense": {"strategy": {"name": "gradient", "variant": "new"}}}, "variant"),
        ({"defense": {"accuracy_threshold": 1.5}}, "accuracy_threshold"),
        ({"defense": {"prune_step": 0}}, "prune_step"),
        ({"attack": {"poison_rate": 0}}, "poison_rate"),
        ({"sead": 1}, "sead"),
    ],
)
def test_a_wrong_specification_names_what_is_wrong(settings: dict, change: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse.parse(settings | change)


def test_presets_are_valid_and_the_paper_preset_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("smoke", "demo"):
        assert presets.preset(name).defense is not None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(presets.Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setattr(presets.Path, "exists", lambda self: False)
    with pytest.raises(UserError, match=r"GPU.*hub.*--random-weights"):
        presets.preset("paper")
    with pytest.raises(UserError, match="smoke, demo, paper"):
        presets.preset("papre")


def test_the_paper_presets_random_form_keeps_its_shapes() -> None:
    paper = presets.preset("paper", random_weights=True)
    assert paper.model.random_weights and paper.model.name == "google-bert/bert-base-uncased"
    assert paper.setting("prune_step") == 10 and paper.setting("accuracy_threshold") == 0.85
    assert paper.data.train_rows == 6920


def test_checking_and_listing_need_no_torch() -> None:
    code = (
        "import sys, backend.models.catalogue, backend.strategies, backend.attacks.triggers, backend.data;"
        "from backend.engine.preflight import check; from backend.spec.presets import preset;"
        "check(preset('smoke')); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def checked(settings: dict, base: str = "") -> dict:
    """A check of the model alone."""
    return {name: settings[name] for name in ("model", "data")} | {"check": {"base": base}}


def test_a_base_that_cannot_be_used_is_said_before_the_start(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = problem(checked(settings, str(tmp_path / "nothing")))
    assert said.startswith(f"The model that it claims to come from, {tmp_path / 'nothing'}, cannot be used.")
    assert "no config.json" in said and said.endswith(
        "Or name none: the built-in encoder is compared with then."
    )
    other = tiny_folder(tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    assert "gpt2" in problem(checked(settings, str(other)))
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_text(json.dumps(config))
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    assert "pytorch_model.bin" in problem(checked(settings, str(tmp_path / "pickled")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = problem(checked(settings, "owner/base"))
    assert "'owner/base'" in said and "cannot be reached" in said


def test_a_base_that_reads_shorter_rows(settings: dict, tmp_path: Path) -> None:
    long = checked(settings, str(tiny_folder(tmp_path / "base"))) | {
        "data": settings["data"] | {"max_length": 400}
    }
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    long["model"] = {"source": "embedded"}
    assert config["max_position_embeddings"] < 400 and "reads at most 160 tokens" in problem(long)


def test_a_model_is_not_its_own_base_unless_a_backdoor_is_planted_in_it(settings: dict, model: Path) -> None:
    assert "is checked itself" in problem(checked(settings, f"{model}/."))
    preflight.check(parse.parse(settings | {"check": {"base": str(model)}}))


def test_a_base_that_fits_is_said_nothing_of(settings: dict, tmp_path: Path) -> None:
    base = str(tiny_folder(tmp_path / "base", "distilbert"))
    assert warnings(checked(settings, base)) == warnings(checked(settings))


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("google-bert/bert-base-uncased", True),
        ("bert-base-uncased", True),
        ("distilroberta-base", True),
        ("out/checkpoint-500", False),
        ("./bert-base-uncased", False),
        ("/home/someone/models/bert", False),
        ("C:\\\\models\\\\bert", False),
        ("results", False),
        ("a/b/c", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_base_that_the_model_itself_names_is_asked_for(
    settings: dict, tmp_path: Path, name: object, named: bool
) -> None:
    folder = tiny_folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"_name_or_path": name}))
    settings["model"]["name"] = str(folder)
    said = f"Its config says that it comes from {name}. If you have that model and trust it, name it (--base"
    assert (said in warnings(checked(settings))) == named
    base = str(tiny_folder(tmp_path / "base"))
    assert "Its config says" not in warnings(checked(settings, base))
    assert "Its config says" not in warnings(
        {name: settings[name] for name in ("model", "data", "trigger", "attack")}
    )


def test_what_asks_the_hub_is_known(settings: dict) -> None:
    assert not preflight.looks_up(parse.parse(checked(settings)))
    assert preflight.looks_up(parse.parse(checked(settings, "owner/base")))
    assert preflight.looks_up(parse.parse(settings | {"model": {"source": "hub", "name": "owner/name"}}))


def test_a_received_model_without_rows_is_said_to_be_checked_on_the_built_in_ones(victim: Path) -> None:
    spec = RunSpec(model=ModelSpec(source="folder", name=str(victim), head="keep"), check=CheckSpec())
    assert any("No rows were given" in note for note in preflight.rows_note(spec))
    assert preflight.rows_note(spec.model_copy(update={"model": ModelSpec()})) == []
