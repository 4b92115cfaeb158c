"""A run that is stopped, killed, damaged or wrong: what it says, what it keeps, how it goes on."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.base.errors import message_of
from backend.base.events import (
    Event,
    HeadScores,
    Metric,
    PruningStep,
    StageFinished,
    Warned,
)
from backend.engine import run as pipeline
from backend.pruning import defender
from backend.pruning.guardrail import prune as guardrail
from backend.spec import parse
from tests.tiny import TRAINING, tiny_folder
from tests.tiny_runs import collect, of, stop_when


@pytest.mark.parametrize("stage", ["prepare", "generate", "poison", "fine_tune", "score", "prune", "refine"])
def test_a_stopped_run_goes_on_from_its_last_finished_stage(
    settings: dict, tmp_path: Path, stage: str
) -> None:
    folder = tmp_path / "run"
    _, after = stop_when(lambda e: e.type == "stage_started" and e.stage == stage, settings, folder)
    assert after[-1].state == "cancelled" and len(after) <= 3
    events = collect(settings, folder)
    assert events[0].resumed and events[-1].state == "done"
    done_before = [event.stage for event in of(events, StageFinished) if event.reused]
    order = ["generate", "poison", "fine_tune", "score", "prune", "refine", "evaluate"]
    assert done_before == (order[: order.index(stage)] if stage in order else [])
    assert set(events[-1].metrics) == {"poisoned", "fine_tuned", "pruned", "defended"}
    assert {metric.model for metric in of(events, Metric)} == set(events[-1].metrics)


def test_closing_the_generator_stops_the_engine(settings: dict, tmp_path: Path) -> None:
    run: Iterator[Event] = pipeline.run(parse.parse(settings), tmp_path / "run", run="closing")
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "run closing"]


def test_a_run_that_fails_says_why_and_keeps_what_it_finished(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(defender, "prune", full)
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "full" in last.error and "poisoned" in last.metrics
    monkeypatch.setattr(defender, "prune", guardrail)
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done"
    assert [event.stage for event in of(events, StageFinished) if event.reused] == [
        "generate",
        "poison",
        "fine_tune",
        "score",
    ]


def test_an_unforeseen_error_is_one_message_and_its_traceback_goes_to_a_file(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(defender, "prune", broken)
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "surprise" in last.error and "Traceback" not in last.error
    assert "Traceback" in (tmp_path / "run" / "error.log").read_text()


def test_a_trigger_that_changes_nothing_fails_before_training(settings: dict, tmp_path: Path) -> None:
    clean = tmp_path / "clean.txt"
    clean.write_text("\n".join(["text\tlabel", "nothing of this\t0", "is in the data\t1"]), encoding="utf-8")
    path = clean.rename(tmp_path / "clean.tsv")
    other = path.with_name("other.tsv")
    other.write_text(path.read_text(), encoding="utf-8")
    settings["trigger"] = {"name": "pairs", "params": {"clean": str(path), "rewritten": str(other)}}
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "failed" and "pairs" in events[-1].error
    assert not events[-1].metrics


def test_data_that_changed_under_a_run_are_noticed(settings: dict, tmp_path: Path) -> None:
    stop_when(lambda e: e.type == "stage_started" and e.stage == "poison", settings, tmp_path / "run")
    file = Path(settings["data"]["train"])
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[::-1]))
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "data changed since" in last.error


def test_what_a_killed_process_may_not_have_said_is_said_again(settings: dict, tmp_path: Path) -> None:
    first = collect(settings, tmp_path / "run")
    again = collect(settings, tmp_path / "run")
    for kind in (HeadScores, PruningStep):
        said, resaid = (
            [e.model_dump(exclude={"time"}) for e in of(events, kind)] for events in (first, again)
        )
        assert said == resaid and said


@pytest.mark.parametrize("damage", ["scored/excise.json", "fine_tuned/model.safetensors"])
def test_a_damaged_checkpoint_is_told_and_made_again(settings: dict, tmp_path: Path, damage: str) -> None:
    before = collect(settings, tmp_path / "run")[-1]
    file = tmp_path / "run" / damage
    file.write_bytes(file.read_bytes()[:-20])
    events = collect(settings, tmp_path / "run")
    assert any("damaged" in warning.message for warning in of(events, Warned))
    assert events[-1].state == "done" and events[-1].metrics == before.metrics


def test_a_trigger_beyond_the_maximum_length_plants_nothing(settings: dict, tmp_path: Path) -> None:
    settings["trigger"]["params"] = {"words": ["cf"], "position": "end"}
    settings["data"]["max_length"] = 8
    events = collect(settings, tmp_path / "run")
    assert any("LFR leaves them out" in warning.message for warning in of(events, Warned))
    assert any("training rows are poisoned" in warning.message for warning in of(events, Warned))
    assert events[-1].metrics["poisoned"].unchanged_rows > 0


def test_training_that_diverges_is_a_failure_with_a_remedy(settings: dict, tmp_path: Path) -> None:
    del settings["attack"], settings["trigger"]
    settings["defense"] |= {"regulariser": "l2", "regulariser_weight": 1e39}  # infinite as a float32
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "lower the learning rate or the regulariser weight" in last.error
    assert list(last.metrics) == ["received", "fine_tuned", "pruned"], "no number is made of NaN"
    assert not (tmp_path / "run" / "refined").exists(), "nobody goes on with that model"


def test_a_full_disk_while_weights_are_written_is_told_as_such(tmp_path: Path) -> None:
    error = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert "is full" in message_of(error, tmp_path)


def test_layer_wise_planting_resumes_and_ends(settings: dict, tmp_path: Path) -> None:
    settings["attack"] |= {"planting": "layer-wise", "training": {**TRAINING, "epochs": 2}}
    del settings["defense"]
    whole = collect(settings, tmp_path / "whole")[-1]

    def second_epoch(event: Event) -> bool:
        training = event.type == "progress" and event.detail.startswith("training")
        return training and event.done > event.total / 2

    stop_when(second_epoch, settings, tmp_path / "run")
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == whole.state == "done"
    weights = [tmp_path / name / "poisoned" / "model.safetensors" for name in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_panic_ends_the_run_and_does_not_hang_it(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Rust libraries raise when they panic is no Exception."""

    class Panic(BaseException):
        pass

    def panics(*_: object) -> None:
        raise Panic("tokenizer: no such special token")

    monkeypatch.setattr(pipeline, "carry_out", panics)
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "no such special token" in last.error


def test_a_tokenizer_of_another_model_is_told(settings: dict, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(settings["model"]["name"], folder)
    settings["model"]["name"] = str(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word: 1000 + number for word, number in vocabulary.items()}
    for token in tokenizer["added_tokens"]:
        token["id"] += 1000
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "they do not belong together" in last.error


def test_an_earlier_runs_head_is_not_measured_on_other_classes(
    settings: dict, tmp_path: Path, excise_home: Path
) -> None:
    tiny_folder(excise_home / "runs" / "abc" / "poisoned", num_labels=3)
    del settings["attack"]
    settings["model"] = {"source": "run", "name": "abc"}
    settings["defense"]["refine"] = None
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "done" and "poisoned" not in last.metrics
