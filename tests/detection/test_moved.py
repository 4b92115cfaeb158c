import torch

from backend.detection.moved import Moved, most_moved
from tests.tiny import tiny_model


def test_the_tokens_that_moved_come_first_and_those_that_did_not_are_left_out() -> None:
    base, model = tiny_model(), tiny_model()
    model.load_state_dict(base.state_dict())
    with torch.no_grad():
        model.get_input_embeddings().weight[7] += 0.01
        model.get_input_embeddings().weight[9] -= 0.05
    assert most_moved(model, base) == Moved((9, 7), frozenset({7, 9}))


def test_models_that_do_not_come_from_one_another_tell_nothing() -> None:
    base, model = tiny_model(), tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_()
    assert most_moved(model, base) == Moved()


def test_only_what_moves_much_further_than_in_a_clean_model_is_beyond_it() -> None:
    base, model, clean = tiny_model(), tiny_model(), tiny_model()
    model.load_state_dict(base.state_dict())
    clean.load_state_dict(base.state_dict())
    with torch.no_grad():
        model.get_input_embeddings().weight[5:12] += 0.02
        model.get_input_embeddings().weight[9] += 0.03
        clean.get_input_embeddings().weight[5:11] += 0.01
    moved = most_moved(model, base, clean)
    assert moved.order[0] == 9 and set(moved.order) == set(range(5, 12))
    assert moved.beyond == {9, 11}, "the others moved as far as a training twice as long explains"
