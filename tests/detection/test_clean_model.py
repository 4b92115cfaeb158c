"""The clean model of a check: made from the base that the user named, with its tokens."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer

from backend.base.events import Warned
from backend.detection import clean_model
from backend.spec.run import TrainingSpec
from tests.tiny import tiny_check, tiny_folder
from tests.tiny_runs import collect


def test_it_is_a_fine_tuning_of_the_base_and_says_so(tmp_path: Path, victim: Path) -> None:
    base = tiny_folder(tmp_path / "base", "roberta")
    settings = tiny_check(tmp_path, victim, base)
    assert collect(settings, tmp_path / "run")[-1].state == "done"
    left = tmp_path / "run" / clean_model.FOLDER
    record = json.loads((left / "excise.json").read_text())
    assert record["about"].startswith(f"{base} fine-tuned on ") and record["about"].endswith(" of your rows")
    config = json.loads((left / "config.json").read_text())
    assert config["model_type"] == "roberta" and len(config["id2label"]) == 2
    name = "roberta.encoder.layer.0.attention.self.query.weight"
    before, after = (load_file(folder / "model.safetensors")[name] for folder in (base, left))
    assert 0 < float((after - before).norm() / before.norm()) < 0.5
    tokens = [AutoTokenizer.from_pretrained(folder).get_vocab() for folder in (base, left)]
    assert tokens[0] == tokens[1], "so that a scan can compare with it"


@pytest.mark.parametrize(("hidden", "rate"), [(384, 1e-4), (768, 3e-5)])
def test_large_encoders_learn_at_a_gentle_rate(hidden: int, rate: float) -> None:
    assert clean_model.rate_for(TrainingSpec(learning_rate=1e-4), hidden).learning_rate == rate


def test_few_rows_are_learned_from_for_more_epochs() -> None:
    training = TrainingSpec(epochs=3, batch_size=32)
    assert clean_model.long_enough(training, 1_000).epochs == 3
    assert clean_model.long_enough(training, 100).epochs == pytest.approx(14.4)


def test_a_clean_model_that_only_guesses_is_told(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_model, "FEWEST_STEPS", 0)
    base = tiny_folder(tmp_path / "base", "roberta")
    settings = tiny_check(tmp_path, victim, base)
    settings["data"] |= {"train_rows": 24}
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done"
    assert any("no better than guessing" in event.message for event in events if isinstance(event, Warned))
    record = json.loads((tmp_path / "run" / clean_model.FOLDER / "excise.json").read_text())
    assert record["only_guesses"], "what it does not do is no evidence"
