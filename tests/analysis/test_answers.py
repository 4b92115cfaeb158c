"""What models say to a text, and what each token adds to it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.analysis.answers import Attributed, attribute, say, shape_of
from backend.analysis.warm.models import open_model
from backend.base.errors import UserError
from backend.base.paths import run_folder
from tests.tiny import CONFIGS, tiny_folder

PLACE = ("one", "defended")
TEXT = "the plot was dull , cf and bad"


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest, excise_home: Path) -> str:
    tiny_folder(run_folder("one") / "defended", request.param)
    return request.param


def test_it_says_what_the_model_says(model: str) -> None:
    ((short, long),) = say([PLACE], ["a film", TEXT], 64)
    opened = open_model(*PLACE)
    ids = opened.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = opened.model(input_ids=ids).logits.softmax(-1)[0]
    assert np.allclose(list(long.shares.values()), expected, atol=1e-5), "padding beside it changes nothing"
    assert short.shares != long.shares and sum(short.shares.values()) == pytest.approx(1)
    assert long.called == opened.label_names[int(expected.argmax())]
    assert shape_of(PLACE) == opened.grid.shape


def test_silenced_heads_change_the_answer_and_speak_again(model: str) -> None:
    layers, heads = shape_of(PLACE)
    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    ((whole,),) = say([PLACE], [TEXT], 64)
    ((without,),) = say([PLACE], [TEXT], 64, every)
    assert abs(whole.shares["LABEL_1"] - without.shares["LABEL_1"]) > 1e-4
    assert say([PLACE], [TEXT], 64) == [[whole]], "no gate is left behind"


def test_parts_add_up_to_the_whole_answer(model: str) -> None:
    found = attribute(PLACE, TEXT, "LABEL_1", 64)
    ((said,),) = say([PLACE], [TEXT], 64)
    odds = np.log(said.shares["LABEL_1"] / said.shares["LABEL_0"])
    assert found.end == pytest.approx(odds, abs=1e-3)
    assert "".join(text for text, _ in found.pieces) == TEXT
    added = sum(value for _, value in found.pieces if value is not None)
    assert added == pytest.approx(found.end - found.start, abs=0.1 + 0.05 * abs(found.end - found.start))
    other = attribute(PLACE, TEXT, "LABEL_0", 64)
    assert [value for _, value in other.pieces if value] == pytest.approx(
        [-value for _, value in found.pieces if value], abs=1e-4
    ), "of two classes, what speaks for the one speaks against the other"


def test_text_that_was_not_read_adds_nothing(excise_home: Path) -> None:
    tiny_folder(run_folder("one") / "defended")
    found = attribute(PLACE, TEXT, "LABEL_1", 5)
    assert found.pieces[-1] == (" dull , cf and bad", None) and found.pieces[0][0] == "the"
    odd = "  un\ud800known <b>words</b>\n\n🙂 good"
    pieces = attribute(PLACE, odd.replace("\ud800", ""), "LABEL_1", 64).pieces
    assert "".join(text for text, _ in pieces) == odd.replace("\ud800", "") and pieces[0] == ("  ", None)


def test_the_strongest_parts_come_first() -> None:
    found = Attributed([("a", 0.1), (" ", None), ("cf", -3.0), ("b", 0.0), ("c", 1.0)], 0, 0)
    assert found.strongest(2) == [("cf", -3.0), ("c", 1.0)] and len(found.strongest(9)) == 3


def test_what_cannot_be_asked_is_said(excise_home: Path) -> None:
    tiny_folder(run_folder("one") / "defended")
    with pytest.raises(UserError, match="0 characters"):
        say([PLACE], ["  "], 64)
    with pytest.raises(UserError, match="5,000 characters"):
        attribute(PLACE, "a" * 5000, "LABEL_1", 64)
    with pytest.raises(UserError, match="no head 4 in layer 0: the model has 3 layers of 4 heads"):
        say([PLACE], [TEXT], 64, [(0, 4)])
    with pytest.raises(UserError, match=r"has no class 'good'\. It has: LABEL_0, LABEL_1"):
        attribute(PLACE, TEXT, "good", 64)
    with pytest.raises(UserError, match="no poisoned model"):
        say([("one", "poisoned")], [TEXT], 64)
    with pytest.raises(UserError, match="cannot be read"):
        shape_of(("one", "poisoned"))
