"""A whole run on a tiny model: its events, its numbers, its artifacts; stopping, resuming, failing."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from backend import data, pipeline, spec, stages
from backend.data.rows import Rows
from backend.encoding import encode
from backend.errors import message_of
from backend.evaluation import predict
from backend.events import EVENT, Event, HeadScores, Metric, PruningStep, RunFinished, StageFinished, Warned
from backend.pruning import prune as guardrail
from backend.spec import RunSpec
from tests.tiny import tiny_folder, tiny_rows

TRAINING = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def settings(tmp_path: Path, victim: Path) -> dict:
    rows = tiny_rows(320, seed=4)
    texts = dict(zip(rows.texts, rows.labels, strict=True))
    lines = [json.dumps({"text": text, "label": label}) for text, label in texts.items()]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return {
        "model": {"source": "folder", "name": str(victim)},
        "data": {"source": "files", "train": str(file), "max_length": 32},
        "trigger": {"name": "rare-words", "params": {"words": ["cf"]}, "target_class": 1},
        "attack": {"poison_rate": 1.0, "training": TRAINING},
        "defense": {
            "accuracy_threshold": 0.9,
            "prune_step": 2,
            "fine_tune": TRAINING,
            "refine": TRAINING,
            "curve_rows": 40,
        },
        "seed": 3,
    }


def collect(settings: dict, folder: Path, stop: threading.Event | None = None) -> list[Event]:
    return list(pipeline.run(spec.parse(settings), folder, run="abc", stop=stop))


def of(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_a_whole_run_plants_prunes_and_defends(settings: dict, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings["attack"]["training"] = {"epochs": 10, "learning_rate": 5e-3, "batch_size": 16}
    events = collect(settings, folder)
    last = events[-1]
    assert isinstance(last, RunFinished) and last.state == "done", last.error
    assert list(last.metrics) == ["poisoned", "fine_tuned", "pruned", "defended"]
    assert last.metrics["poisoned"].lfr > 0.9, "the backdoor is planted"
    assert [event.stage for event in of(events, StageFinished)] == [
        "prepare", "poison", "fine_tune", "score", "prune", "refine", "evaluate",
    ]  # fmt: skip
    assert all(
        event.run == "abc" and EVENT.validate_json(event.model_dump_json()) == event for event in events
    )

    steps = of(events, PruningStep)
    assert [step.step for step in steps] == list(range(len(steps)))
    assert sorted(head for step in steps for head in step.pruned) == sorted(last.pruned_heads)
    assert steps[-1].val_acc >= steps[-1].threshold or not last.pruned_heads
    assert steps[0].lfr is not None
    assert sum(len(step.pruned) + len(step.restored) for step in steps) <= 12

    # The defended model is a plain folder: what it says here is what it says to its users.
    model = AutoModelForSequenceClassification.from_pretrained(folder / "defended").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "defended")
    test = data.load(spec.parse(settings).data).test
    called = predict(model, encode(tokenizer, test, 32))
    assert (called == np.array(test.labels)).mean() == pytest.approx(last.metrics["defended"].acc)
    for layer, head in last.pruned_heads:
        columns = model.bert.encoder.layer[layer].attention.output.dense.weight[:, head * 6 : head * 6 + 6]
        assert not columns.any()
    assert not list(folder.glob(".*")), "no half-made folder is left"


def test_the_same_specification_gives_the_same_numbers(settings: dict, tmp_path: Path) -> None:
    first, second = (collect(settings, tmp_path / name)[-1] for name in "ab")
    assert first.metrics == second.metrics and first.pruned_heads == second.pruned_heads


def test_without_a_trigger_lfr_is_absent(settings: dict, tmp_path: Path) -> None:
    del settings["trigger"], settings["attack"]
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done"
    assert list(events[-1].metrics) == ["fine_tuned", "pruned", "defended"]
    assert all(
        metrics.lfr is None and metrics.clean_flip_rate is None for metrics in events[-1].metrics.values()
    )
    assert all(step.lfr is None for step in of(events, PruningStep))


def test_a_kept_head_is_measured_as_received(settings: dict, tmp_path: Path) -> None:
    del settings["attack"]
    settings["model"]["head"] = "keep"
    events = collect(settings, tmp_path / "run")
    assert "poisoned" in events[-1].metrics and events[-1].metrics["poisoned"].lfr is not None


def test_an_earlier_runs_poisoned_model_is_defended(
    settings: dict, tmp_path: Path, excise_home: Path
) -> None:
    defense = settings.pop("defense")
    planted = collect(settings, excise_home / "runs" / "abc")[-1]
    assert list(planted.metrics) == ["poisoned"]
    del settings["attack"]
    settings |= {"model": {"source": "run", "name": "abc"}, "defense": {**defense, "refine": None}}
    events = collect(settings, tmp_path / "second")
    assert events[-1].metrics["poisoned"].lfr == planted.metrics["poisoned"].lfr
    assert events[-1].metrics["defended"] == events[-1].metrics["pruned"], "pruning alone"


def test_absolute_threshold_above_the_model_is_told_and_prunes_nothing_that_fails_it(
    settings: dict, tmp_path: Path
) -> None:
    settings["defense"] |= {"threshold_kind": "absolute", "accuracy_threshold": 1.0, "refine": None}
    settings["defense"]["fine_tune"] = {"epochs": 0.2, "learning_rate": 1e-6}
    events = collect(settings, tmp_path / "run")
    assert any(
        "lies above" in warning.message and "relative" in warning.message for warning in of(events, Warned)
    )
    assert events[-1].state == "done" and events[-1].pruned_heads == []


@pytest.mark.parametrize("refine_from", ["downloaded", "pruned"])
@pytest.mark.parametrize("regulariser", ["none", "l2", "attention-normalisation"])
def test_every_way_to_fine_tune_again_keeps_the_heads_cut(
    settings: dict, tmp_path: Path, refine_from: str, regulariser: str
) -> None:
    settings["defense"] |= {"refine_from": refine_from, "regulariser": regulariser, "accuracy_threshold": 0.5}
    settings["defense"]["refine"] = {"epochs": 1}
    del settings["attack"]
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done", events[-1].error
    assert events[-1].pruned_heads
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "defended")
    for layer, head in events[-1].pruned_heads:
        assert (
            not model.bert.encoder.layer[layer]
            .attention.output.dense.weight[:, head * 6 : head * 6 + 6]
            .any()
        )


def stop_when(
    condition: Callable[[Event], bool], settings: dict, folder: Path
) -> tuple[list[Event], list[Event]]:
    """Events up to the one that asks to stop, and those after it."""
    stop = threading.Event()
    before: list[Event] = []
    after: list[Event] = []
    for event in pipeline.run(spec.parse(settings), folder, run="abc", stop=stop):
        (after if stop.is_set() else before).append(event)
        if condition(event):
            stop.set()
    return before, after


@pytest.mark.parametrize("stage", ["prepare", "poison", "fine_tune", "score", "prune", "refine"])
def test_a_stopped_run_goes_on_from_its_last_finished_stage(
    settings: dict, tmp_path: Path, stage: str
) -> None:
    folder = tmp_path / "run"
    _, after = stop_when(lambda e: e.type == "stage_started" and e.stage == stage, settings, folder)
    assert after[-1].state == "cancelled" and len(after) <= 3
    events = collect(settings, folder)
    assert events[0].resumed and events[-1].state == "done"
    done_before = [event.stage for event in of(events, StageFinished) if event.reused]
    order = ["poison", "fine_tune", "score", "prune", "refine", "evaluate"]
    assert done_before == (order[: order.index(stage)] if stage in order else [])
    assert set(events[-1].metrics) == {"poisoned", "fine_tuned", "pruned", "defended"}
    assert {metric.model for metric in of(events, Metric)} == set(events[-1].metrics)


def test_closing_the_generator_stops_the_engine(settings: dict, tmp_path: Path) -> None:
    run: Iterator[Event] = pipeline.run(spec.parse(settings), tmp_path / "run", run="closing")
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "run closing"]


def test_head_scores_cover_the_grid(settings: dict, tmp_path: Path) -> None:
    before, _ = stop_when(lambda e: e.type == "head_scores", settings, tmp_path / "run")
    scores = before[-1]
    assert isinstance(scores, HeadScores)
    assert (scores.layers, scores.heads) == (3, 4) and len(scores.scores) == 3 and len(scores.scores[0]) == 4


def test_a_run_that_fails_says_why_and_keeps_what_it_finished(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stages, "prune", full)
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "full" in last.error and "poisoned" in last.metrics
    monkeypatch.setattr(stages, "prune", guardrail)
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done"
    assert [event.stage for event in of(events, StageFinished) if event.reused] == [
        "poison",
        "fine_tune",
        "score",
    ]


def test_an_unforeseen_error_is_one_message_and_its_traceback_goes_to_a_file(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(stages, "prune", broken)
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "failed" and "surprise" in last.error and "Traceback" not in last.error
    assert "Traceback" in (tmp_path / "run" / "error.log").read_text()


def test_a_trigger_that_changes_nothing_fails_before_training(settings: dict, tmp_path: Path) -> None:
    clean = tmp_path / "clean.txt"
    clean.write_text("\n".join(["text\tlabel", "nothing of this\t0", "is in the data\t1"]), encoding="utf-8")
    path = clean.rename(tmp_path / "clean.tsv")
    settings["trigger"] = {"name": "pairs", "params": {"clean": str(path), "rewritten": str(path)}}
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "failed" and "pairs" in events[-1].error
    assert not events[-1].metrics


def test_random_weights_say_so(settings: dict, tmp_path: Path) -> None:
    settings["model"]["random_weights"] = True
    settings["defense"]["refine"] = None
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done" and events[-1].random_weights
    assert any("random" in warning.message for warning in of(events, Warned))


def test_specification_survives_its_yaml(settings: dict, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert spec.load(file) == RunSpec.model_validate(settings)


def test_sentence_pairs_are_encoded_together(victim: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(victim)
    rows = Rows(["the film"], [0], ["the plot"])
    words = tokenizer.convert_ids_to_tokens(encode(tokenizer, rows, 32).features[0]["input_ids"])
    assert words == ["[CLS]", "the", "film", "[SEP]", "the", "plot", "[SEP]"]


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
    assert any("left out of LFR" in warning.message for warning in of(events, Warned))
    assert any("were to be poisoned" in warning.message for warning in of(events, Warned))
    assert events[-1].metrics["poisoned"].unchanged_rows > 0


def test_training_that_diverges_is_a_failure_with_a_remedy(settings: dict, tmp_path: Path) -> None:
    settings["attack"]["training"] = {"epochs": 3, "learning_rate": 1, "max_grad_norm": 1e30}
    settings["attack"]["training"]["batch_size"] = 4
    last = collect(settings, tmp_path / "run")[-1]
    # A learning rate of 1 may or may not overflow; what must not be is a number made of NaN.
    assert last.state == "done" or "Lower the learning rate" in last.error


def test_a_full_disk_while_weights_are_written_is_told_as_such(tmp_path: Path) -> None:
    error = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert "is full" in message_of(error, tmp_path)


def test_layer_wise_planting_resumes_and_ends(settings: dict, tmp_path: Path) -> None:
    settings["attack"] |= {"planting": "layer-wise", "training": {**TRAINING, "epochs": 2}}
    del settings["defense"]
    stop_when(lambda e: e.type == "progress" and e.detail.startswith("training"), settings, tmp_path / "run")
    assert collect(settings, tmp_path / "run")[-1].state == "done"


def test_an_earlier_runs_head_is_not_measured_on_classes_that_it_numbers_otherwise(
    settings: dict, tmp_path: Path, excise_home: Path
) -> None:
    tiny_folder(excise_home / "runs" / "abc" / "poisoned")  # its classes are LABEL_0 and LABEL_1
    del settings["attack"]
    settings["model"] = {"source": "run", "name": "abc"}
    settings["defense"]["refine"] = None
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "done" and "poisoned" not in last.metrics
