"""A linear layer on [CLS] stays what it is in the head of a model that everybody can load."""

from pathlib import Path

import pytest
import torch

from backend.data.tokens import Encoded, encode
from backend.spec.run import TrainingSpec
from backend.training.fine_tune import train
from backend.training.raw_head import keep_raw_head, raw_head
from tests.tiny import CONFIGS, tiny_model, tiny_rows, tiny_tokenizer


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_model_s_own_head_computes_what_the_linear_layer_does(kind: str) -> None:
    model = tiny_model(kind)
    linear = raw_head(model, 3)
    keep_raw_head(model, linear)
    rows = encode(tiny_tokenizer(), tiny_rows(8, seed=1), 32).batch(range(8))
    if kind == "distilbert":
        rows.pop("token_type_ids", None)
    with torch.no_grad():
        first = model.base_model(**rows).last_hidden_state[:, 0]
        assert torch.allclose(model(**rows).logits, linear(first), atol=2e-3)
    again = raw_head(model, 4)
    assert torch.allclose(again.weight, linear.weight) and torch.allclose(again.bias, linear.bias, atol=1e-4)


def test_the_published_training_learns_and_leaves_a_model_that_holds_its_linear_layer(tmp_path: Path) -> None:
    model, rows = tiny_model(), encode(tiny_tokenizer(), tiny_rows(200, seed=2), 32)
    before = raw_head(tiny_model(), 0).weight
    training = TrainingSpec(epochs=6, learning_rate=3e-3, batch_size=16, variant="published")
    train(model, rows, training, seed=0, scratch=tmp_path / "scratch")
    with torch.no_grad():
        right = model(**rows.batch(range(200))).logits.argmax(dim=1) == torch.tensor(rows.labels)
    assert right.float().mean() > 0.9
    assert not torch.allclose(raw_head(model, 0).weight, before, atol=1e-3), "it was trained"
    dense = model.bert.pooler.dense.weight
    assert torch.equal(dense, dense[0, 0] * torch.eye(len(dense)))


def test_rows_come_in_the_data_set_s_order_and_every_embedding_decays(tmp_path: Path) -> None:
    rows = encode(tiny_tokenizer(), tiny_rows(64, seed=2), 32)
    training = TrainingSpec(epochs=1, learning_rate=1e-3, batch_size=16, variant="published")
    model, other = tiny_model(), tiny_model()
    unused = next(i for i in range(1, len(model.get_input_embeddings().weight)) if i not in _used(rows))
    before = model.get_input_embeddings().weight[unused].clone()
    train(model, rows, training, seed=0, scratch=tmp_path / "scratch")
    assert model.get_input_embeddings().weight[unused].norm() < before.norm()
    train(other, rows, training, seed=0, scratch=tmp_path / "scratch")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def _used(rows: Encoded) -> set[int]:
    return {token for row in rows.features for token in row["input_ids"]}
