import torch

from backend.detection.moved import most_moved
from tests.tiny import tiny_model


def test_the_tokens_that_moved_come_first_and_those_that_did_not_are_left_out() -> None:
    base, model = tiny_model(), tiny_model()
    model.load_state_dict(base.state_dict())
    with torch.no_grad():
        model.get_input_embeddings().weight[7] += 0.01
        model.get_input_embeddings().weight[9] -= 0.05
    assert most_moved(model, base) == [9, 7]


def test_models_that_do_not_come_from_one_another_tell_nothing() -> None:
    base, model = tiny_model(), tiny_model()
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_()
    assert most_moved(model, base) == []
