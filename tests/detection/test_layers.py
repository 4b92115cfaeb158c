"""A model beside the one that it claims to come from: how far its layers moved, and whether it does."""

from pathlib import Path
from typing import Any

import pytest
import torch

from backend.base.events import LayersCompared, StageFinished, Warned
from backend.detection.layers import beside, parts_of
from tests.tiny import tiny_check, tiny_folder, tiny_model, tiny_tokenizer
from tests.tiny_runs import collect, of

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def changes(fields: dict[str, Any], name: str = "change") -> dict[str, float | None]:
    return {part["part"]: part[name] for part in fields["parts"]}


def test_a_change_is_that_of_the_part_relative_to_the_base() -> None:
    """A layer whose weights all grow by a quarter moved by a quarter; nothing else moved."""
    model, base, clean = tiny_model(), tiny_model(), tiny_model()
    with torch.no_grad():
        for weight in parts_of(model)["layer 1"].values():
            weight.mul_(1.25)
        for weight in parts_of(clean)["embeddings"].values():
            weight.mul_(0.9)
    fields = beside(model, base, clean)
    assert changes(fields) == pytest.approx({"embeddings": 0, "layer 0": 0, "layer 1": 0.25, "layer 2": 0})
    assert changes(fields, "clean_change") == pytest.approx(
        {"embeddings": 0.1, "layer 0": 0, "layer 1": 0, "layer 2": 0}, abs=1e-6
    )
    assert fields["comes_from"] and fields["similarity"] == pytest.approx(1)
    assert set(changes(beside(model, base, None), "clean_change").values()) == {None}


def test_noise_of_a_known_size_changes_one_layer_by_it() -> None:
    model, base = tiny_model(), tiny_model()
    weights = parts_of(base)["layer 1"]
    whole = sum(float(weight.square().sum()) for weight in weights.values()) ** 0.5
    with torch.no_grad():
        noise = torch.randn(24, 24)
        model.get_parameter(QUERY).add_(noise * 0.3 * whole / noise.norm())
    assert changes(beside(model, base, None))["layer 1"] == pytest.approx(0.3, rel=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert"])
def test_weights_that_were_drawn_anew_do_not_come_from_the_base(kind: str) -> None:
    model, base, other = tiny_model(kind), tiny_model(kind), tiny_model(kind, seed=1)
    assert beside(model, base, None)["comes_from"]
    fields = beside(other, base, None)
    assert not fields["comes_from"] and abs(fields["similarity"]) < 0.1
    with torch.no_grad():  # much more than a fine-tuning does
        for weight in model.parameters():
            weight.add_(0.8 * weight.std(correction=0) * torch.randn_like(weight))
    assert beside(model, base, None)["comes_from"]


def test_heads_and_poolers_do_not_count() -> None:
    parts = parts_of(tiny_model())
    assert list(parts) == ["embeddings", "layer 0", "layer 1", "layer 2"]
    assert not any("pooler" in name or "classifier" in name for part in parts.values() for name in part)


def test_other_architectures_and_sizes_are_not_compared() -> None:
    base = tiny_model()
    assert beside(tiny_model("distilbert"), base, None) == {
        "comes_from": False,
        "differs": "it is a DistilBERT model, that one a BERT model",
    }
    shallow = tiny_model()
    del shallow.bert.encoder.layer[2]
    assert beside(shallow, base, None)["differs"] == "it has 2 layers, that one 3"
    shallow = tiny_model()
    shallow.bert.encoder.layer[0].attention.self.query = torch.nn.Linear(24, 12)
    assert beside(shallow, base, None)["differs"] == "its layers have other shapes"


def test_added_tokens_leave_the_layers_comparable() -> None:
    model = tiny_model()
    model.resize_token_embeddings(40)
    assert list(changes(beside(model, tiny_model(), None))) == ["layer 0", "layer 1", "layer 2"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A check of a model whose layer 2 differs from the base's; it tries no trigger."""
    base = tiny_folder(tmp_path / "base")
    model = tiny_model()
    with torch.no_grad():
        for weight in parts_of(model)["layer 2"].values():
            weight.mul_(1.5)
    model.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return tiny_check(tmp_path, tmp_path / "model", base) | {"share": True}


def test_a_check_compares_and_tells_it_again_where_the_step_is_shared(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    first = collect(settings, tmp_path / "first")
    assert first[-1].state == "done", first[-1].error
    (compared,) = of(first, LayersCompared)
    assert (compared.model, compared.base, compared.stated) == ("received", str(tmp_path / "base"), True)
    own = {part.part: part.change for part in compared.parts}
    assert own == pytest.approx({"embeddings": 0, "layer 0": 0, "layer 1": 0, "layer 2": 0.5})
    assert all(part.clean_change > 0 for part in compared.parts)
    assert compared.comes_from and compared.rows > 100 and 0 <= compared.acc <= 1
    assert compared.clean_acc is not None
    again = collect(settings, tmp_path / "again")
    assert of(again, LayersCompared)[0].model_dump(exclude={"time"}) == compared.model_dump(exclude={"time"})
    assert all(event.reused for event in of(again, StageFinished) if event.stage == "compare")


def test_another_base_in_the_same_folder_is_compared_anew(settings: dict[str, Any], tmp_path: Path) -> None:
    collect(settings, tmp_path / "first")
    tiny_model(seed=1).save_pretrained(tmp_path / "base")
    again = collect(settings, tmp_path / "again")
    anew = [event.stage for event in of(again, StageFinished) if not event.reused]
    assert {"clean_model", "compare"} <= set(anew) and "receive" not in anew
    (compared,) = of(again, LayersCompared)
    assert compared.stated and not compared.comes_from


def test_a_base_of_another_kind_is_one_sentence_and_still_makes_the_clean_model(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["check"]["base"] = str(tiny_folder(tmp_path / "other", "distilbert"))
    (compared,) = of(collect(settings, tmp_path / "run"), LayersCompared)
    assert "DistilBERT" in compared.differs and not compared.parts and not compared.comes_from
    assert compared.clean_acc is not None


def test_without_a_clean_model_the_base_alone_is_compared(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["check"]["clean_model"] = False
    (compared,) = of(collect(settings, tmp_path / "run"), LayersCompared)
    assert compared.parts[-1].change == pytest.approx(0.5) and compared.parts[-1].clean_change is None
    assert compared.clean_acc is None


def test_a_base_that_went_missing_ends_the_run(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["check"]["base"] = str(tmp_path / "gone")
    ending = collect(settings, tmp_path / "run")[-1]
    assert ending.state == "failed" and "gone" in ending.error
    assert "Traceback" not in ending.error


def test_nothing_is_said_of_the_built_in_encoder_that_nobody_claimed(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    """With or without that encoder at hand."""
    del settings["check"]["base"]
    events = collect(settings, tmp_path / "run")
    assert events[-1].state == "done" and not of(events, LayersCompared)
    assert not [event for event in of(events, Warned) if "layer by layer" in event.message]
