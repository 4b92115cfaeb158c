"""What heads attend to: the model's own weights, the trigger's tokens, and drawings that need no network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.analysis.attention import (
    Attention,
    around,
    attend,
    beside_changed,
    changed_parts,
    shared_tokens,
)
from backend.base.errors import UserError
from backend.base.paths import run_folder
from tests.tiny import tiny_folder, tiny_tokenizer

CLEAN, TRIGGERED = "the film was very dull", "the film cf was very dull"


@pytest.fixture(params=["bert", "roberta", "electra", "distilbert"])
def run(request, excise_home: Path, tmp_path: Path) -> str:
    name = f"one-{request.param}"
    tiny_folder(run_folder(name) / "poisoned", request.param)
    return name


def test_weights_are_the_models_own(run: str):
    from transformers import AutoModelForSequenceClassification

    found = attend(run, "poisoned", CLEAN)
    folder = run_folder(run) / "poisoned"
    plain = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    batch = tiny_tokenizer()(CLEAN, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.inference_mode():
        expected = torch.cat(plain(**batch, output_attentions=True).attentions).numpy()
    assert found.tokens == ["[CLS]", *CLEAN.split(), "[SEP]"]
    np.testing.assert_allclose(found.weights, expected, atol=1e-5)
    assert not found.changed.any()


def test_the_triggers_tokens_are_known_and_what_falls_on_them(run: str):
    found = attend(run, "poisoned", TRIGGERED, CLEAN)
    assert np.array(found.tokens)[found.changed].tolist() == ["cf"]
    np.testing.assert_allclose(found.on_changed(), found.weights[:, :, 0, 3])


@pytest.mark.parametrize("text", ["", "   ", "a " * 4000])
def test_an_empty_or_endless_text_is_a_message(run: str, text: str):
    with pytest.raises(UserError, match="characters"):
        attend(run, "poisoned", text)


def test_a_model_that_is_gone_is_a_message(run: str):
    with pytest.raises(UserError, match="no defended model"):
        attend(run, "defended", CLEAN)


@pytest.mark.parametrize(
    ("triggered", "parts"),
    [
        ("a cf fine film", ["cf"]),
        ("a fine film", []),
        ("when it ends , a film", ["when it ends ,"]),
        ("", []),
    ],
)
def test_changed_parts_are_words_that_came(triggered: str, parts: list[str]):
    assert [triggered[a:b] for a, b in changed_parts("a fine film", triggered)] == parts


WORDS = st.lists(st.sampled_from("abc"), max_size=12)


@given(WORDS, WORDS)
def test_shared_tokens_are_the_same_in_the_same_order(one: list[str], other: list[str]):
    here, there = shared_tokens(one, other)
    assert [one[i] for i in here] == [other[i] for i in there]
    assert here == sorted(set(here)) and there == sorted(set(there))


@given(WORDS, WORDS)
def test_what_did_not_change_is_in_the_clean_text(one: list[str], other: list[str]):
    clean, triggered = " ".join(one), " ".join(other)
    parts = changed_parts(clean, triggered)
    kept = "".join(c for i, c in enumerate(triggered) if not any(a <= i < b for a, b in parts)).split()
    rest = iter(one)
    assert all(word in rest for word in kept)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(2, 40))
def test_the_ends_and_what_changed_are_drawn_first(changed: list[bool], most: int):
    places = around(np.array(changed), most)
    assert places == sorted(set(places)) and len(places) == min(most, len(changed))
    assert places[0] == 0 and places[-1] == len(changed) - 1
    others = [i for i in range(1, len(changed) - 1) if i not in places]
    if any(changed[i] for i in others):
        assert all(changed[i] for i in places[1:-1]), "only others that changed may be drawn instead"


def test_both_texts_are_drawn_where_the_trigger_is():
    clean = [f"word{i}" for i in range(60)]
    triggered = [*clean[:40], "cf", *clean[40:]]

    def told(tokens: list[str]) -> Attention:
        return Attention(tokens, np.zeros((1, 1, 1, 1)), np.array([token == "cf" for token in tokens]))

    before, after = told(clean), told(triggered)
    assert [clean[i] for i in around(beside_changed(before, after), 4)] == [
        "word0",
        "word39",
        "word40",
        "word59",
    ]
    assert [triggered[i] for i in around(after.changed, 5)] == ["word0", "word39", "cf", "word40", "word59"]
