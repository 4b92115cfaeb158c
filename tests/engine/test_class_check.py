"""A received model whose classes come in another order: renumbered by its names, else asked about."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.base.events import DataReady, Warned
from backend.data.tokens import encode
from backend.evaluation.evaluator import accuracy
from backend.spec.run import TrainingSpec
from backend.training.fine_tune import train
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer
from tests.tiny_runs import collect, of


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that knows its task, its class 0 the good rows and its class 1 the bad ones."""
    model, tokenizer = tiny_model().train(), tiny_tokenizer()
    rows = encode(tokenizer, tiny_rows(320, seed=4), 32)
    training = TrainingSpec(epochs=10, learning_rate=5e-3, batch_size=16)
    train(model, rows, training, seed=1, scratch=tmp_path_factory.mktemp("scratch"))
    assert accuracy(model.eval(), rows) > 0.95
    with torch.no_grad():
        for weights in model.classifier.parameters():
            weights.copy_(weights.flip(0))
    folder = tmp_path_factory.mktemp("swapped")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def received(settings: dict[str, Any], swapped: Path) -> dict[str, Any]:
    """A run that receives it, and measures it as it is."""
    del settings["attack"]
    settings["model"] = {"source": "folder", "name": str(swapped), "head": "keep"}
    settings["defense"] = {"name": "ft", "params": {"fine_tune": {"epochs": 0.1}}}
    return settings


def named(swapped: Path, folder: Path, names: list[str]) -> str:
    """A copy of the model with other class names."""
    folder.mkdir()
    for file in swapped.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = dict(enumerate(names))
    config["label2id"] = {name: number for number, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_the_names_of_its_classes_renumber_the_rows(received: dict, swapped: Path, tmp_path: Path) -> None:
    received["model"]["name"] = named(swapped, tmp_path / "model", ["1", "0"])
    events = collect(received, tmp_path / "run")
    assert events[-1].state == "done"
    assert events[-1].metrics["received"].acc > 0.9
    (data,) = of(events, DataReady)
    assert data.label_names == ["1", "0"] and data.target_class == 0, "the rows labelled 1, as was asked"
    config = json.loads((tmp_path / "run" / "defended" / "config.json").read_text())
    assert config["id2label"] == {"0": "1", "1": "0"}, "it keeps the received model's names"


def test_without_telling_names_the_run_stops_with_a_question(received: dict, tmp_path: Path) -> None:
    end = collect(received, tmp_path / "run")[-1]
    assert end.state == "failed"
    assert "class 0 is “1”, class 1 is “0”" in end.error and "data.classes to [1, 0]" in end.error
    assert end.metrics["received"].acc < 0.1, "what was measured is told"


def test_the_answer_is_the_order_of_the_classes(received: dict, tmp_path: Path) -> None:
    received["data"]["classes"] = ["1", "0"]
    events = collect(received, tmp_path / "run")
    assert events[-1].state == "done" and events[-1].metrics["received"].acc > 0.9
    received["data"]["classes"] = ["0", "1"]
    events = collect(received, tmp_path / "other")
    assert events[-1].state == "done", "who states the order that it has is not asked again"
    assert any("in another order" in event.message for event in of(events, Warned))


def test_a_model_that_guesses_in_any_order_is_told_and_measured(
    received: dict, victim: Path, tmp_path: Path
) -> None:
    received["model"]["name"] = str(victim)
    events = collect(received, tmp_path / "run")
    assert events[-1].state == "done"
    assert any("no better than guessing, in any order" in event.message for event in of(events, Warned))
