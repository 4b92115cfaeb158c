"""Fine-tuning: it learns, repeats itself, keeps gates, resumes, and its regularisers are what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.base.errors import Cancelled
from backend.data.tokens import Encoded, encode
from backend.evaluation.evaluator import accuracy, logits
from backend.heads.grid import HeadGrid
from backend.heads.packed_forward import pack, run
from backend.heads.statistics import attention_norm, layer_weights
from backend.models.classifiers import fresh_head
from backend.spec.run import TrainingSpec
from backend.training.fine_tune import train
from backend.training.regularisers import Regulariser, projection_penalty
from tests.tiny import tiny_model, tiny_rows, tiny_tokenizer

SPEC = TrainingSpec(epochs=6, learning_rate=3e-3, batch_size=8)


def rows(count: int = 64) -> Encoded:
    return encode(tiny_tokenizer(), tiny_rows(count), 64)


def test_training_learns_and_the_same_seed_gives_the_same_model(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = []
    spec = TrainingSpec(epochs=25, learning_rate=3e-3, batch_size=8)
    for place in ("a", "b"):
        model = tiny_model()
        train(model, rows(), spec, seed=3, scratch=tmp_path / place)
        results.append(logits(model, rows()))
    assert np.array_equal(*results)
    assert accuracy(model, rows()) > 0.9
    assert capfd.readouterr().out == "", "standard output belongs to the caller"
    assert not (tmp_path / "a").exists(), "checkpoints are cleared when training is done"


def test_words_that_the_rows_lack_keep_their_embeddings(tmp_path: Path) -> None:
    model = tiny_model()
    table = model.get_input_embeddings()
    before = table.weight.clone()
    some = rows(16)
    train(
        model, some, TrainingSpec(epochs=2, learning_rate=3e-3, batch_size=8), seed=3, scratch=tmp_path / "t"
    )
    used = sorted({token for row in some.features for token in row["input_ids"]})
    unused = [token for token in range(len(before)) if token not in used]
    assert model.get_input_embeddings() is table and table.weight.shape == before.shape
    assert torch.equal(table.weight[unused], before[unused]) and unused
    assert not torch.equal(table.weight[used], before[used])


def test_pruned_heads_stay_pruned_throughout(tmp_path: Path) -> None:
    model = tiny_model()
    grid = HeadGrid(model)
    pruned = np.eye(3, 4, dtype=bool)
    grid.gate(pruned)
    before = grid.sites[0].value.weight[:6].clone()
    seen = []

    def tick(done: int, total: int) -> None:
        seen.append(grid.pruned())

    train(model, rows(), TrainingSpec(epochs=1, batch_size=8), seed=3, scratch=tmp_path / "t", tick=tick)
    assert len(seen) == 8 and all((grid_now == pruned).all() for grid_now in seen)
    assert torch.equal(grid.sites[0].value.weight[:6], before), "no gradient reaches a silent head's values"


def test_stopping_takes_effect_within_one_batch_and_training_resumes_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    whole = tiny_model()
    train(whole, rows(), SPEC, seed=3, scratch=tmp_path / "whole")
    steps = []

    def stop_at_20(done: int, total: int) -> None:
        steps.append(done)
        if done == 20:
            raise Cancelled

    model = tiny_model()
    with pytest.raises(Cancelled):
        train(model, rows(), SPEC, seed=3, scratch=tmp_path / "part", tick=stop_at_20)
    assert steps[-1] == 20
    resumed, later = tiny_model(), []
    train(
        resumed, rows(), SPEC, seed=3, scratch=tmp_path / "part", tick=lambda done, total: later.append(done)
    )
    assert later[0] == 17, "two epochs of eight batches were checkpointed"
    assert np.allclose(logits(resumed, rows()), logits(whole, rows()), atol=1e-5)


def test_a_half_written_checkpoint_is_not_taken_up(tmp_path: Path) -> None:
    (tmp_path / "t" / "checkpoint-8").mkdir(parents=True)
    seen = []
    spec = TrainingSpec(epochs=1, batch_size=8)
    train(
        tiny_model(), rows(), spec, seed=3, scratch=tmp_path / "t", tick=lambda done, total: seen.append(done)
    )
    assert seen[0] == 1


def test_projection_penalty_is_the_un_squared_norms_of_the_remaining_heads() -> None:
    grid = HeadGrid(tiny_model())
    weights = [w for s in grid.sites for w in (s.query.weight, s.key.weight, s.value.weight, s.output.weight)]
    expected = 0.5 * sum(w.abs().sum() for w in weights) + 2 * sum(w.norm() for w in weights)
    assert torch.allclose(projection_penalty(grid, 0.5, 2), expected)
    pruned = np.zeros((3, 4), dtype=bool)
    pruned[0, 1:] = True
    grid.gate(pruned)
    less = projection_penalty(grid, 1, 0) - sum(w.abs().sum() for w in weights[4:])
    assert torch.allclose(less, sum(w[:6].abs().sum() for w in weights[:3]) + weights[3][:, :6].abs().sum())


def test_attention_normalisation_is_its_formula_on_attention_matrices() -> None:
    grid = HeadGrid(tiny_model())
    matrices = grid.model(**rows().batch(range(10)), output_attentions=True).attentions
    packed = pack(rows(), range(10), torch.device("cpu"))
    collected = run(grid, packed, cls_rows=True).cls_rows
    weights, remaining = torch.tensor([0.0, 0.5, 1.0]), torch.ones(3, 4)
    remaining[2, 1] = 0
    expected = sum(
        weights[layer] * remaining[layer, head] * matrices[layer][:, head, 0].norm()
        for layer in range(3)
        for head in range(4)
    )
    assert torch.allclose(attention_norm(collected, weights, remaining), expected, rtol=1e-5)


def test_layer_weights_are_the_scaled_softmax_of_minus_log() -> None:
    statistic = torch.tensor([[1.0, 9.0], [2.0, 2.0], [4.0, 4.0]])
    remaining = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    inverse = torch.tensor([1.0, 0.5, 0.25])  # softmax(−log v) is 1/v over its sum
    share = inverse / inverse.sum()
    assert torch.allclose(
        layer_weights(statistic, remaining), (share - share.min()) / (share.max() - share.min())
    )
    assert layer_weights(torch.ones(2, 2), torch.ones(2, 2)).tolist() == [1.0, 1.0]


def test_a_layer_without_heads_has_no_weight_and_the_others_are_weighed_without_it() -> None:
    statistic = torch.tensor([[1.0, 9.0], [2.0, 2.0], [4.0, 4.0], [3.0, 5.0]])
    remaining = torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    weights = layer_weights(statistic, remaining)
    others = [0, 2, 3]
    assert weights[1] == 0
    assert torch.equal(weights[others], layer_weights(statistic[others], remaining[others]))
    assert layer_weights(statistic, torch.zeros(4, 2)).tolist() == [0, 0, 0, 0]


def fine_tuned(scratch: Path, regulariser: Regulariser) -> HeadGrid:
    model = tiny_model()
    train(model, rows(), SPEC, seed=3, scratch=scratch, regulariser=regulariser)
    return HeadGrid(model)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> HeadGrid:
    return fine_tuned(tmp_path_factory.mktemp("plain") / "t", Regulariser())


def attention(grid: HeadGrid) -> torch.Tensor:
    packed = pack(rows(), range(32), torch.device("cpu"))
    return attention_norm(run(grid, packed, cls_rows=True).cls_rows, torch.ones(3), torch.ones(3, 4))


def layer_norms(grid: HeadGrid) -> torch.Tensor:
    return torch.stack([site.attention_norm.weight.norm() for site in grid.sites]).sum()


WEIGHED = {
    "l1": (Regulariser(l1=0.05), lambda grid: projection_penalty(grid, 1, 0)),
    "l2": (Regulariser(l2=0.5), lambda grid: projection_penalty(grid, 0, 1)),
    "layer norms by name": (Regulariser(l2=0.5, by_name=True), layer_norms),
    "attention": (Regulariser(attention=0.5), attention),
}


@pytest.mark.parametrize("name", WEIGHED)
def test_a_regulariser_lowers_what_it_weighs(tmp_path: Path, plain: HeadGrid, name: str) -> None:
    regulariser, weighed = WEIGHED[name]
    grid = fine_tuned(tmp_path / "t", regulariser)
    with torch.no_grad():
        assert weighed(grid) < 0.95 * weighed(plain)


def test_entropy_is_maximised_whatever_the_labels_say(tmp_path: Path) -> None:
    model = tiny_model()
    train(model, rows(), SPEC, seed=3, scratch=tmp_path / "t")

    def entropy() -> float:
        return float(
            torch.distributions.Categorical(logits=torch.tensor(logits(model, rows()))).entropy().mean()
        )

    before = entropy()
    train(model, rows(), SPEC, seed=3, scratch=tmp_path / "t", regulariser=Regulariser(entropy=True))
    assert entropy() > max(before, 0.99 * np.log(2))


def test_a_fresh_head_depends_on_its_seed_alone_and_leaves_the_encoder() -> None:
    model = tiny_model()
    encoder = {name: w.clone() for name, w in model.base_model.named_parameters()}
    fresh_head(model, 1)
    first = model.classifier.weight.clone()
    fresh_head(model, 2)
    assert not torch.equal(model.classifier.weight, first)
    fresh_head(model, 1)
    assert torch.equal(model.classifier.weight, first)
    assert all(torch.equal(w, encoder[name]) for name, w in model.base_model.named_parameters())


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_layer_wise_training_teaches_the_first_layer_too(tmp_path: Path, kind: str) -> None:
    def separation_at_the_first_layer(regulariser: Regulariser) -> float:
        """Distance of the classes' mean [CLS] over the spread within them."""
        model = tiny_model(kind)
        spec = TrainingSpec(epochs=15, learning_rate=3e-3, batch_size=8)
        train(model, rows(), spec, seed=3, scratch=tmp_path / "t", regulariser=regulariser)
        with torch.no_grad():
            states = model(**rows().batch(range(64)), output_hidden_states=True).hidden_states
        first, labels = states[1][:, 0].numpy(), np.asarray(rows().labels)
        classes = [first[labels == label] for label in (0, 1)]
        within = np.mean([part.std(axis=0).mean() for part in classes])
        return float(np.linalg.norm(classes[0].mean(axis=0) - classes[1].mean(axis=0)) / within)

    layer_wise = separation_at_the_first_layer(Regulariser(layer_wise=True))
    assert layer_wise > 1.5 * separation_at_the_first_layer(Regulariser())
