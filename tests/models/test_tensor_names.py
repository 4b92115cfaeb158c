"""Names that a training loop gave to tensors, and the library's."""

import pytest

from backend.base.errors import UserError
from backend.heads.architectures import ARCHITECTURES
from backend.models.tensor_names import plain_names

BERT = ARCHITECTURES["bert"]
QUERY = "encoder.layer.0.attention.self.query.weight"
WHOLE = [f"bert.{QUERY}", "bert.embeddings.word_embeddings.weight", "classifier.weight"]
ALONE = [QUERY, "embeddings.word_embeddings.weight"]


@pytest.mark.parametrize("names", [WHOLE, ALONE, [f"bert.{name}" for name in ALONE]])
@pytest.mark.parametrize(
    "prefix", ["", "_orig_mod.", "module.", "module._orig_mod.", "model.", "net.encoder.", "0.auto_model."]
)
def test_a_prefix_that_all_share_is_left_out(names: list[str], prefix: str) -> None:
    given = [f"{prefix}{name}" for name in names]
    assert plain_names(given, BERT) == dict(zip(given, names, strict=True))


def test_a_prefix_that_is_called_as_the_base_model_is_left_out_too() -> None:
    assert list(plain_names([f"bert.{name}" for name in WHOLE], BERT).values()) == WHOLE


def test_wrappers_are_left_out_wherever_they_are() -> None:
    given = [f"bert._orig_mod.{QUERY}", "bert.encoder._checkpoint_wrapped_module.x", "classifier.module.bias"]
    assert list(plain_names(given, BERT).values()) == [WHOLE[0], "bert.encoder.x", "classifier.bias"]


def test_a_prefix_that_only_some_have_stays() -> None:
    given = [f"model.{name}" for name in WHOLE] + ["loss.weight"]
    assert plain_names(given, BERT) == {name: name for name in given}


def test_names_that_would_be_one_are_refused() -> None:
    with pytest.raises(UserError, match="same name"):
        plain_names([QUERY, f"module.{QUERY}"], BERT)
