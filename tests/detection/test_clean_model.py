"""The clean model of a check: made from the base that the user named, with its tokens."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer

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
