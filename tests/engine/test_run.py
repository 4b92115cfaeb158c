"""A whole run on a tiny model: its events, its numbers, its artifacts."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from backend import data
from backend.base.events import (
    EVENT,
    Event,
    Head,
    HeadScores,
    PruningStep,
    RowsTriggered,
    RunFinished,
    StageFinished,
    Warned,
)
from backend.data.rows import Rows
from backend.data.tokens import Encoded, encode
from backend.defenses import onion
from backend.evaluation.evaluator import measure, predict
from backend.evaluation.predictions import read_predictions
from backend.spec import parse
from backend.spec.run import RunSpec
from backend.training.fine_tune import train
from backend.training.regularisers import NO_REGULARISER, Regulariser
from tests.tiny import TRAINING, tiny_folder, tiny_settings
from tests.tiny_runs import collect, of, stop_when


@dataclass
class Whole:
    """A run that went through every stage, for the tests that only look at what it left."""

    settings: dict
    folder: Path
    events: list[Event]

    @property
    def last(self) -> RunFinished:
        assert isinstance(self.events[-1], RunFinished) and self.events[-1].state == "done", self.events[-1]
        return self.events[-1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, victim: Path) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    settings = tiny_settings(folder, victim)
    settings["attack"]["training"] = {"epochs": 10, "learning_rate": 5e-3, "batch_size": 16}
    return Whole(settings, folder / "run", collect(settings, folder / "run"))


def taken_back(whole: Whole, to: Path, *stages: str) -> Path:
    """A copy of the run's folder from before these stages."""
    left_out = shutil.ignore_patterns(*stages)
    return shutil.copytree(whole.folder, to / "run", ignore=left_out)


def all_cut(folder: Path, heads: list[Head]) -> bool:
    """Whether the model in the folder says nothing by these heads."""
    layers = AutoModelForSequenceClassification.from_pretrained(folder).bert.encoder.layer
    columns = [
        layers[layer].attention.output.dense.weight[:, head * 6 : head * 6 + 6] for layer, head in heads
    ]
    return not any(some.any() for some in columns)


def test_a_whole_run_plants_prunes_and_defends(whole: Whole) -> None:
    last, folder = whole.last, whole.folder
    assert list(last.metrics) == ["poisoned", "fine_tuned", "pruned", "defended"]
    assert last.metrics["poisoned"].lfr > 0.9, "the backdoor is planted"
    assert [event.stage for event in of(whole.events, StageFinished)] == [
        "prepare", "generate", "poison", "fine_tune", "score", "prune", "refine", "evaluate",
    ]  # fmt: skip
    assert all(
        event.run == "abc" and EVENT.validate_json(event.model_dump_json()) == event for event in whole.events
    )

    steps = of(whole.events, PruningStep)
    assert [step.step for step in steps] == list(range(len(steps)))
    assert sorted(head for step in steps for head in step.pruned) == sorted(last.pruned_heads)
    assert steps[-1].val_acc >= steps[-1].threshold
    assert steps[0].lfr is not None
    assert sum(len(step.pruned) + len(step.restored) for step in steps) <= 12

    # The defended model is a plain folder: what it says here is what it says to its users.
    model = AutoModelForSequenceClassification.from_pretrained(folder / "defended").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "defended")
    test = data.load(parse.parse(whole.settings).data).test
    called = predict(model, encode(tokenizer, test, 32))
    assert (called == np.array(test.labels)).mean() == pytest.approx(last.metrics["defended"].acc)
    assert last.pruned_heads
    assert all(all_cut(folder / model, last.pruned_heads) for model in ("pruned", "defended"))
    assert not list(folder.glob(".*")), "no half-made folder is left"


def test_what_each_model_called_every_row_is_kept_and_gives_its_numbers(whole: Whole) -> None:
    dataset = data.load(parse.parse(whole.settings).data)
    for model, metrics in whole.last.metrics.items():
        kept = read_predictions(whole.folder / model)
        assert kept.labels == dataset.test.labels and kept.triggered
        assert measure(kept, dataset.label_names) == metrics


def test_every_row_can_be_read_with_what_each_model_predicts(whole: Whole) -> None:
    with (whole.folder / "defended" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = whole.last.metrics["defended"]
    clean = [row for row in rows if row["rows"] == "clean"]
    triggered = [row for row in rows if row["rows"] == "triggered"]
    assert (len(clean), len(triggered)) == (metrics.test_rows, metrics.triggered_rows)
    assert sum(row["label"] == row["predicted"] for row in clean) / len(clean) == pytest.approx(metrics.acc)
    assert sum(row["predicted"] == "1" for row in triggered) / len(triggered) == pytest.approx(metrics.lfr)
    assert all("cf" in row["text"].split() and row["label"] == "0" for row in triggered)
    for row in rows:
        shares = [float(row[f"probability of {name}"]) for name in ("0", "1")]
        assert sum(shares) == pytest.approx(1, abs=1e-5) and row["predicted"] == str(int(np.argmax(shares)))


def test_the_live_curve_is_acc_and_lfr_of_the_gated_model_on_a_sample(settings: dict, tmp_path: Path) -> None:
    del settings["attack"]
    settings["model"]["head"] = "keep"
    settings["defense"] |= {"accuracy_threshold": 0.0, "curve_rows": 16, "refine": None}
    settings["defense"]["fine_tune"] = {**TRAINING, "epochs": 2}
    steps = of(collect(settings, tmp_path / "run"), PruningStep)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "fine_tuned").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "fine_tuned")
    with (tmp_path / "run" / "generated" / "rewritings.csv").open(newline="") as file:
        rewritten = [row["rewritten"] for row in csv.DictReader(file)]
    clean = encode(tokenizer, data.load(parse.parse(settings).data).test, 32).sample(16, settings["seed"])
    triggered = encode(tokenizer, Rows(rewritten, [1] * len(rewritten)), 32).sample(16, settings["seed"])

    def share_called_by_label(rows: Encoded) -> float:
        called = model(**rows.batch(range(len(rows)))).logits.argmax(dim=1)
        return float((called == torch.tensor(rows.labels)).float().mean())

    for step in steps:
        for layer, head in step.pruned:
            outputs = model.bert.encoder.layer[layer].attention.output.dense
            outputs.weight.data[:, head * 6 : head * 6 + 6] = 0
        assert step.acc == pytest.approx(share_called_by_label(clean))
        assert step.lfr == pytest.approx(share_called_by_label(triggered))
    assert len({step.acc for step in steps}) > 2 and len({step.lfr for step in steps}) > 2


def test_the_same_specification_gives_the_same_numbers(settings: dict, tmp_path: Path) -> None:
    first, second = (collect(settings, tmp_path / name)[-1] for name in "ab")
    assert first.metrics == second.metrics and first.pruned_heads == second.pruned_heads


def test_without_a_trigger_lfr_is_absent(settings: dict, tmp_path: Path) -> None:
    del settings["trigger"], settings["attack"]
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done"
    assert list(events[-1].metrics) == ["received", "fine_tuned", "pruned", "defended"]
    assert all(
        metrics.lfr is None and metrics.clean_flip_rate is None for metrics in events[-1].metrics.values()
    )
    assert all(step.lfr is None for step in of(events, PruningStep))


def test_a_kept_head_is_measured_as_received(settings: dict, tmp_path: Path) -> None:
    del settings["attack"]
    settings["model"]["head"] = "keep"
    events = collect(settings, tmp_path / "run")
    assert events[-1].metrics["received"].lfr is not None
    kept = {path.name for path in (tmp_path / "run" / "received").iterdir()}
    assert {"model.safetensors", "config.json", "predictions.csv"} <= kept, "it can be looked into later"


def test_a_whole_classifier_is_measured_as_received_whatever_becomes_of_its_head(
    settings: dict, tmp_path: Path
) -> None:
    del settings["attack"]
    settings["defense"]["refine"] = None
    events = {}
    for head in ("auto", "keep", "fresh"):
        settings["model"]["head"] = head
        events[head] = collect(settings, tmp_path / head)
    metrics = {head: told[-1].metrics for head, told in events.items()}
    assert metrics["auto"] == metrics["keep"] != metrics["fresh"]
    assert metrics["auto"]["received"] == metrics["fresh"]["received"]
    said = {head: " ".join(warned.message for warned in of(told, Warned)) for head, told in events.items()}
    assert "keeps its own classifier head" in said["auto"] and "is not used" in said["fresh"]


def test_a_classifier_under_a_prefix_runs_as_any_other_and_keeps_its_names(
    settings: dict, tmp_path: Path
) -> None:
    folder = tiny_folder(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file({f"module.{name}": tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    named = config | {"id2label": {"0": "bad", "1": "good"}, "output_attentions": True, "return_dict": False}
    (folder / "config.json").write_text(json.dumps(named))
    plain = collect(settings, tmp_path / "plain")[-1].metrics
    settings["model"]["name"] = str(folder)
    found = collect(settings, tmp_path / "run")[-1].metrics
    assert {name: (one.acc, one.lfr) for name, one in found.items()} == {
        name: (one.acc, one.lfr) for name, one in plain.items()
    }
    assert [row.label for row in found["defended"].per_class] == ["bad", "good"]
    for name in ("poisoned", "fine_tuned", "pruned", "defended"):
        saved = json.loads((tmp_path / "run" / name / "config.json").read_text())
        assert saved["id2label"] == {"0": "bad", "1": "good"} and not saved.get("output_attentions")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "defended")
    assert model.config.label2id == {"bad": 0, "good": 1}


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


UNCHECKED = [
    ({"name": "layer-variance", "variant": "published"}, 5),
    ({"name": "by-layer", "params": {"share": 0.4, "checked": False}}, 4),
]


@pytest.mark.parametrize(("strategy", "gone"), UNCHECKED)
def test_a_strategy_that_asks_no_guardrail_prunes_all_at_once_and_again_when_taken_up(
    settings: dict, tmp_path: Path, strategy: dict, gone: int
) -> None:
    del settings["attack"], settings["trigger"]
    settings["defense"] |= {"threshold_kind": "absolute", "accuracy_threshold": 1.0, "refine": None}
    settings["defense"]["strategy"] = strategy
    first = collect(settings, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "pruned")
    for events in (first, collect(settings, tmp_path / "run")):
        steps = of(events, PruningStep)
        assert [len(step.pruned) for step in steps] == [0, gone]
        assert steps[-1].val_acc < steps[-1].threshold and not steps[-1].restored
        assert sorted(events[-1].pruned_heads) == sorted(steps[-1].pruned)


@pytest.mark.parametrize("refine_from", ["downloaded", "pruned"])
def test_every_way_to_fine_tune_again_gives_a_model_of_its_own_without_the_heads(
    settings: dict, tmp_path: Path, refine_from: str
) -> None:
    folder = tmp_path / "run"
    del settings["attack"], settings["trigger"]
    weights = set()
    for regulariser in ("none", "l2", "attention-normalisation"):
        settings["defense"] |= {"refine_from": refine_from, "regulariser": regulariser}
        settings["defense"]["accuracy_threshold"] = 0.5
        last = collect(settings, folder)[-1]
        assert last.state == "done", last.error
        assert last.pruned_heads and all_cut(folder / "defended", last.pruned_heads)
        weights.add((folder / "defended" / "model.safetensors").read_bytes())
        shutil.rmtree(folder / "refined")
        shutil.rmtree(folder / "defended")
    assert len(weights) == 3


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[Regulariser]:
    """What each fine-tuning of the test carried beside its loss."""
    seen: list[Regulariser] = []

    def watched(*args: Any, regulariser: Regulariser = NO_REGULARISER, **named: Any) -> None:
        seen.append(regulariser)
        train(*args, regulariser=regulariser, **named)

    monkeypatch.setattr("backend.training.fine_tune.train", watched)
    return seen


def test_attention_normalisation_passes_over_a_layer_that_lost_every_head(
    settings: dict, tmp_path: Path, carried: list[Regulariser]
) -> None:
    del settings["attack"], settings["trigger"]
    settings["defense"]["strategy"] = UNCHECKED[1][0]
    last = collect(settings, tmp_path / "run")[-1]
    assert last.state == "done", last.error
    assert last.pruned_heads == [(0, head) for head in range(4)]
    assert carried[-1].layers[0] == 0 and sorted(carried[-1].layers[1:].tolist()) == [0, 1]
    weights = load_file(tmp_path / "run" / "defended" / "model.safetensors").values()
    assert all(weight.isfinite().all() for weight in weights)


def test_head_scores_cover_the_grid(settings: dict, tmp_path: Path) -> None:
    before, _ = stop_when(lambda e: e.type == "head_scores", settings, tmp_path / "run")
    scores = before[-1]
    assert isinstance(scores, HeadScores)
    assert (scores.layers, scores.heads) == (3, 4) and len(scores.scores) == 3 and len(scores.scores[0]) == 4


def test_rows_left_out_are_counted_and_listed(settings: dict, tmp_path: Path) -> None:
    dataset = data.load(parse.parse(settings).data)
    dropped = [t for t, label in zip(dataset.test.texts, dataset.test.labels, strict=True) if label == 0][:2]
    settings["trigger"]["edits"] = {dropped[0]: None, dropped[1]: "written by hand"}
    del settings["defense"]
    events = collect(settings, tmp_path / "run")
    (rows,) = of(events, RowsTriggered)
    assert rows.triggered_left_out == 1 == events[-1].metrics["poisoned"].unchanged_rows
    assert rows.triggered == events[-1].metrics["poisoned"].triggered_rows
    with (tmp_path / "run" / "generated" / "rewritings.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == rows.poisoned + rows.triggered + 1
    assert [row["text"] for row in table if row["left_out"]] == [dropped[0]]
    assert {row["rewritten"] for row in table if row["text"] == dropped[1]} == {"written by hand"}
    assert all(row["rewritten"] != row["text"] for row in table)


def test_a_table_of_rewritings_is_a_trigger_again(settings: dict, tmp_path: Path) -> None:
    del settings["defense"]
    first = collect(settings, tmp_path / "first")[-1]
    table = tmp_path / "first" / "generated" / "rewritings.csv"
    settings["trigger"] |= {"name": "pairs", "params": {"clean": str(table)}}
    assert collect(settings, tmp_path / "second")[-1].metrics == first.metrics


def test_random_weights_say_so(settings: dict, tmp_path: Path) -> None:
    settings["model"]["random_weights"] = True
    settings["defense"]["refine"] = None
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done" and events[-1].random_weights
    assert any("random" in warning.message for warning in of(events, Warned))


def test_specification_survives_its_yaml(settings: dict, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert parse.load(file) == RunSpec.model_validate(settings)


def test_sentence_pairs_are_encoded_together(victim: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(victim)
    rows = Rows(["the film"], [0], ["the plot"])
    words = tokenizer.convert_ids_to_tokens(encode(tokenizer, rows, 32).features[0]["input_ids"])
    assert words == ["[CLS]", "the", "film", "[SEP]", "the", "plot", "[SEP]"]


def test_strategy_entropy_and_rows_change_the_first_fine_tuning(
    settings: dict, tmp_path: Path, carried: list[Regulariser]
) -> None:
    del settings["attack"], settings["trigger"]
    changes = {
        "gradient": {},
        "sparsification": {"strategy": {"name": "sparsification"}},
        "published": {"strategy": {"name": "sparsification", "variant": "published"}},
        "entropy": {"entropy": TRAINING},
        "few": {"train_rows": 20},
    }
    weights = set()
    for name, change in changes.items():
        asked = settings | {"defense": settings["defense"] | change}
        stop_when(lambda e: e.type == "stage_started" and e.stage == "score", asked, tmp_path / name)
        weights.add((tmp_path / name / "fine_tuned" / "model.safetensors").read_bytes())
    assert len(weights) == len(changes)
    assert [one.entropy for one in carried] == [False, False, False, True, False, False], "first, where asked"


def test_onion_measures_filtered_samples(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Rows] = []
    clean_rows: list[Rows] = []

    def without_the_trigger(rows: Rows, clean: Rows, *_: object) -> Rows:
        asked.append(rows)
        clean_rows.append(clean)
        return rows.with_texts([" ".join(w for w in text.split() if w != "cf") for text in rows.texts])

    monkeypatch.setattr(onion, "without_surprises", without_the_trigger)
    folder = taken_back(whole, tmp_path, "refined", "defended")
    defense = whole.settings["defense"] | {"refine": None, "onion": {"rows": 16}}
    last = collect(whole.settings | {"defense": defense}, folder)[-1]
    assert last.state == "done", last.error
    defended = last.metrics["defended"]
    assert (defended.test_rows, defended.triggered_rows) == (16, len(asked[0]) - 16)
    dataset = data.load(parse.parse(whole.settings).data)
    assert set(clean_rows[0].texts) <= set(dataset.validation.texts), "the bar is set on clean rows"
    model = AutoModelForSequenceClassification.from_pretrained(folder / "defended").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "defended")
    called = predict(model, encode(tokenizer, without_the_trigger(asked[0], asked[0]), 32))
    assert defended.lfr == pytest.approx((called[16:] == 1).mean())
    assert defended.acc == pytest.approx((called[:16] == np.array(asked[0].labels[:16])).mean())
    kept = read_predictions(folder / "pruned")
    assert kept.labels == dataset.test.labels, "the pruned model's calls stay as they were"
    assert measure(kept, dataset.label_names) == last.metrics["pruned"]
