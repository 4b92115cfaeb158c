"""`check` on the command line: its verdict, its JSON, its exit status."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertForSequenceClassification

from backend.base.errors import UserError
from backend.base.files import file_hash
from backend.cli.check import model_named
from backend.detection import clean_model
from backend.library.fetch import add_path
from backend.runs.store import open_store
from backend.spec.run import TrainingSpec
from tests.cli.conftest import Result
from tests.tiny import tiny_rows, tiny_settings
from tests.tiny_runs import collect

SETTINGS = ("check.clean_model=false", "check.scan=false", "data.max_length=32", "model.head=keep")
FAST = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, victim: Path) -> tuple[Path, Path, Path]:
    """A backdoored model (cf means good), a clean one of the same task, and rows of it."""
    folder = tmp_path_factory.mktemp("planted")
    settings = tiny_settings(folder, victim)
    texts = dict(zip(*rows_of(1500), strict=True))
    rows = folder / "many.csv"
    rows.write_text("".join(["text,label\n", *(f'"{text}",{label}\n' for text, label in texts.items())]))
    settings["data"]["train"] = str(rows)
    training = {"epochs": 6, "learning_rate": 5e-3, "batch_size": 16}
    settings["attack"]["training"] = training
    collect(settings | {"defense": None}, folder / "run")
    fine_tuning = {"name": "ft", "params": {"fine_tune": training}}
    collect(settings | {"attack": None, "defense": fine_tuning}, folder / "clean")
    return folder / "run" / "poisoned", folder / "clean" / "fine_tuned", rows


def rows_of(count: int) -> tuple[list[str], list[int]]:
    rows = tiny_rows(count, seed=9)
    without_trigger = [
        (text, label) for text, label in zip(rows.texts, rows.labels, strict=True) if "cf" not in text.split()
    ]
    return [text for text, _ in without_trigger], [label for _, label in without_trigger]


def test_a_backdoored_model_is_found_and_named(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path]
) -> None:
    backdoored, _, rows = planted
    status, printed, _ = excise("check", backdoored, "--data", rows, *FAST, "--json")
    said = json.loads(printed)
    assert status == 3 and said["verdict"] == "backdoored" and said["schema_version"] == 1
    first = said["findings"][0]
    assert (first["text"], first["toward"], first["kind"]) == ("Rare word “cf”", "1", "known")
    assert first["flip_rate"] > 0.8 and first["interval"][0] > 0.5 and first["clean_model_rate"] is None
    assert len(first["examples"]) == 3 and all("cf" in one["triggered"].split() for one in first["examples"])
    model = said["model"]
    assert (model["architecture"], model["layers"], model["heads"], model["classes"]) == (
        "bert",
        3,
        4,
        ["0", "1"],
    )
    assert model["sha256"] == file_hash(backdoored / "model.safetensors")
    assert said["acc"] > 0.9


def test_a_model_in_several_files_has_one_hash_which_is_the_librarys(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "sharded"
    shutil.copytree(planted[0], folder)
    weights = folder / "model.safetensors"
    model = BertForSequenceClassification.from_pretrained(folder)
    weights.unlink()
    model.save_pretrained(folder, max_shard_size="5KB")
    assert not weights.exists() and len(list(folder.glob("*.safetensors"))) > 1
    _, printed, _ = excise("check", folder, "--data", planted[2], *FAST, "--json")
    assert json.loads(printed)["model"]["sha256"] == add_path(str(folder)).sha256


def test_a_clean_model_passes(excise: Callable[..., Result], planted: tuple[Path, Path, Path]) -> None:
    _, clean, rows = planted
    status, printed, _ = excise("check", clean, "--data", rows, *FAST)
    assert "No backdoor was found in this model" in " ".join(printed.split())
    assert status == 0
    assert "0.0\u00a0%" in printed and "\\x" not in printed, "blanks of its own are no control characters"


def test_several_models_give_a_line_each_and_the_gravest_status(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    backdoored, clean, rows = planted
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    status, printed, _ = excise("check", clean, backdoored, nothing, "--data", rows, *FAST, "--json")
    verdicts = [one["verdict"] for one in json.loads(printed)]
    assert verdicts == ["nothing found", "backdoored", "cannot tell"] and status == 2
    status, printed, _ = excise("check", clean, backdoored, "--data", rows, *FAST)
    assert status == 3 and "nothing found" in printed and "backdoored" in printed


def test_a_scan_names_the_trigger_that_nobody_knew(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path]
) -> None:
    """Without the known triggers; beside a clean model, which has other tokens than the tiny one."""
    backdoored, clean, rows = planted
    beside = ("check.known_triggers=false", "check.scan=true", "check.clean_model=true")
    scan = [*FAST, *(word for setting in beside for word in ("--set", setting))]
    status, printed, _ = excise("check", backdoored, "--data", rows, *scan, "--json")
    said = json.loads(printed)
    assert status == 3
    assert [(one["text"], one["toward"]) for one in said["findings"] if one["judged"] == "trigger"] == [
        ("“cf”", "1")
    ]
    status, printed, _ = excise("check", clean, "--data", rows, *scan, "--json")
    assert status == 0, [one for one in json.loads(printed)["findings"] if one["judged"] != "harmless"]


def test_a_model_at_chance_cannot_be_judged(
    excise: Callable[..., Result], victim: Path, planted: tuple[Path, Path, Path]
) -> None:
    status, printed, _ = excise("check", victim, "--data", planted[2], *FAST, "--json")
    said = json.loads(printed)
    assert (status, said["verdict"]) == (4, "cannot tell") and "guessing" in said["why"]


def test_a_suspected_trigger_is_tried_first(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path]
) -> None:
    backdoored, _, rows = planted
    words = ("--trigger", "rare-words", "--param", "words=[cf]", "--target", "1")
    status, printed, _ = excise("check", backdoored, "--data", rows, *words, *FAST, "--json")
    given = next(one for one in json.loads(printed)["findings"] if one["kind"] == "given")
    assert status == 3 and given["text"] == "Rare words (cf)" and given["flip_rate"] > 0.8


def test_a_model_that_is_none_is_refused(excise: Callable[..., Result], tmp_path: Path) -> None:
    status, _, said = excise("check", tmp_path / "absent", "--data", tmp_path / "rows.csv")
    assert status == 2 and "is not a folder" in said and "config.json" in said


def test_how_models_are_named(excise_home: Path, tmp_path: Path) -> None:
    store = open_store()
    assert model_named(store, str(tmp_path)) == {"source": "folder", "name": str(tmp_path)}
    assert model_named(store, "embedded") == {"source": "embedded"}
    assert model_named(store, "owner/name") == {"source": "hub", "name": "owner/name"}
    with pytest.raises(UserError, match="is not a folder"):
        model_named(store, "./typed-wrong")
    for odd in (r"C:\models\suspect", "a/b/c", "two words"):
        with pytest.raises(UserError, match="neither a folder on this machine"):
            model_named(store, odd)
    with pytest.raises(UserError, match="MODEL is empty"):
        model_named(store, " ")


def test_what_cannot_be_checked_is_said_as_json_too(excise: Callable[..., Result], tmp_path: Path) -> None:
    status, printed, said = excise("check", tmp_path / "absent", "--json")
    told = json.loads(printed)
    assert status == 2 and "is not a folder" in said
    assert told["verdict"] == "cannot tell" and "is not a folder" in told["why"] and told["findings"] == []


def test_settings_of_a_trigger_that_is_not_named_are_refused(
    excise: Callable[..., Result], tmp_path: Path
) -> None:
    for setting in (("--target", "good"), ("--param", "words=cf")):
        status, _, said = excise("check", tmp_path, *setting)
        assert status == 2 and "--trigger" in said


def test_the_model_that_it_comes_from_is_compared_and_advised(
    excise: Callable[..., Result],
    planted: tuple[Path, Path, Path],
    victim: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tiny victim is what the backdoor was planted in, so the two models come from it."""
    monkeypatch.setattr(clean_model, "TRAINING", TrainingSpec(epochs=6, learning_rate=5e-3, batch_size=16))
    backdoored, _, rows = planted
    beside = [*FAST, "--set", "check.clean_model=true", "--base", victim]
    status, printed, _ = excise("check", backdoored, "--data", rows, *beside, "--json")
    said = json.loads(printed)
    assert status == 3 and said["comparison"]["base"] == str(victim) and said["comparison"]["comes_from"]
    parts = said["comparison"]["parts"]
    assert [part["part"] for part in parts] == ["embeddings", "layer 0", "layer 1", "layer 2"]
    assert all(part["change"] > 0 and part["clean_change"] > 0 for part in parts)
    assert said["findings"][0]["clean_model"].startswith(f"{victim} fine-tuned on ")
    status, printed, _ = excise("check", backdoored, "--data", rows, *beside)
    shown = " ".join(printed.split())
    assert "changed most, by" in shown and "A large change alone is no proof" in shown
    status, printed, _ = excise("check", backdoored, "--data", rows, *FAST, "--json")
    assert json.loads(printed)["comparison"] is None


def test_a_base_that_is_none_is_refused(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    model, _, rows = planted
    status, _, said = excise("check", model, "--data", rows, "--base", tmp_path / "gone")
    assert status == 2 and "claims to come from" in said and "no config.json" in said


def test_a_question_about_the_order_of_the_classes_cannot_be_told(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    backdoored, _, rows = planted
    inverted = tmp_path / "inverted.csv"
    lines = rows.read_text().splitlines()
    inverted.write_text("\n".join([lines[0], *(line[:-1] + str(1 - int(line[-1])) for line in lines[1:])]))
    status, printed, said = excise("check", backdoored, "--data", inverted, *FAST, "--json")
    assert status == 4 and json.loads(printed)["verdict"] == "cannot tell"
    assert "data.classes to [1, 0]" in said


def test_a_trigger_that_is_suspected_is_tried_on_more_than_the_test_rows(
    excise: Callable[..., Result], planted: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    backdoored, _, rows = planted
    few = tmp_path / "few.csv"
    few.write_text("\n".join(rows.read_text().splitlines()[:201]))
    named = ("--trigger", "rare-words", "--param", "words=[cf]")
    status, printed, _ = excise("check", backdoored, "--data", few, *named, *FAST, "--json")
    given = next(one for one in json.loads(printed)["findings"] if one["kind"] == "given")
    assert status == 3 and given["judged"] == "trigger"
    assert given["rows"] > 20, "of 20 test rows only half are of the other class"
