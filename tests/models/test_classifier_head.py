"""Whether a model keeps its classifier head, and what is said of it."""

from pathlib import Path

import pytest

from backend.base.errors import UserError
from backend.data.rows import Dataset, Rows
from backend.models.classifier_head import choose_head
from backend.spec.run import ModelSpec
from tests.headers import bert_folder, classifier, encoder

ROWS = Rows(["a dull film", "a fine film"], [0, 1])


def data(*names: str, stated: bool = False) -> Dataset:
    return Dataset("tiny", ROWS, ROWS, ROWS, list(names), [], classes_stated=stated)


def whole(tmp_path: Path, *names: str, head: str = "auto") -> ModelSpec:
    """A whole classifier with these classes."""
    weights = classifier(classes=len(names))
    folder = bert_folder(tmp_path / "whole", weights, id2label=dict(enumerate(names)))
    return ModelSpec(source="folder", name=str(folder), head=head)


def test_a_whole_classifier_keeps_its_head_and_says_so(tmp_path: Path) -> None:
    choice = choose_head(whole(tmp_path, "bad", "good"), data("bad", "good"))
    assert choice.model.head == "keep" and choice.dataset.test.labels == [0, 1]
    assert choice.notes == ["The model keeps its own classifier head (bad, good)."]


def test_the_rows_are_numbered_as_in_the_head_that_is_kept(tmp_path: Path) -> None:
    choice = choose_head(whole(tmp_path, "good", "bad"), data("bad", "good"))
    assert choice.model.head == "keep" and choice.dataset.test.labels == [1, 0]
    assert (
        choice.dataset.label_names == ["good", "bad"] and "numbered in the model's order" in choice.notes[1]
    )


@pytest.mark.parametrize("names", [("sports", "politics"), ("bad", "fair", "good")])
def test_a_head_of_other_classes_is_drawn_anew_and_it_says_why(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    choice = choose_head(whole(tmp_path, *names), data("bad", "good"))
    assert choice.model.head == "fresh" and choice.dataset.label_names == ["bad", "good"]
    (note,) = choice.notes
    assert "a new one is drawn" in note and ", ".join(names) in note and "bad, good" in note
    with pytest.raises(UserError):
        choose_head(whole(tmp_path, *names, head="keep"), data("bad", "good"))


def test_a_fresh_head_for_a_whole_classifier_is_said(tmp_path: Path) -> None:
    choice = choose_head(whole(tmp_path, "good", "bad", head="fresh"), data("bad", "good"))
    assert choice.model.head == "fresh" and choice.dataset.test.labels == [0, 1]
    assert len(choice.notes) == 1 and "(good, bad) is not used: a new one is drawn" in choice.notes[0]


def test_a_stated_order_is_that_of_the_head_whether_it_is_kept_or_only_measured(tmp_path: Path) -> None:
    kept = choose_head(whole(tmp_path, "good", "bad"), data("bad", "good", stated=True))
    assert kept.model.head == "keep" and kept.dataset.test.labels == [0, 1]
    anew = kept.model.model_copy(update={"head": "fresh"})
    fresh = choose_head(anew, data("x", "y", stated=True))
    assert fresh.model.head == "fresh" and fresh.dataset.label_names == ["x", "y"]
    for choice, pairs in ((kept, "good = bad, bad = good"), (fresh, "good = x, bad = y")):
        assert "as data.classes orders them" in choice.notes[-1] and pairs in choice.notes[-1]


def test_an_encoder_gets_a_fresh_head_and_has_none_to_keep(tmp_path: Path) -> None:
    folder = str(bert_folder(tmp_path / "alone", encoder()))
    choice = choose_head(ModelSpec(source="folder", name=folder), data("bad", "good"))
    assert choice.model.head == "fresh" and "without a classifier head" in choice.notes[0]
    with pytest.raises(UserError, match="no classifier head to keep"):
        choose_head(ModelSpec(source="folder", name=folder, head="keep"), data("bad", "good"))


def test_a_head_of_another_kind_is_refused_unless_a_fresh_one_is_asked_for(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "several", classifier(), problem_type="multi_label_classification")
    for head in ("auto", "keep"):
        with pytest.raises(UserError, match="several labels at once"):
            choose_head(ModelSpec(source="folder", name=str(folder), head=head), data("bad", "good"))
    fresh = ModelSpec(source="folder", name=str(folder), head="fresh")
    assert choose_head(fresh, data("bad", "good")).model.head == "fresh"


def test_the_embedded_model_and_an_untrained_one_have_no_head_and_nothing_is_said(tmp_path: Path) -> None:
    untrained = whole(tmp_path, "bad", "good").model_copy(update={"random_weights": True})
    for model in (ModelSpec(), untrained):
        choice = choose_head(model, data("bad", "good"))
        assert choice.model.head == "fresh" and choice.notes == []


def test_a_run_that_asks_for_a_fresh_head_can_be_looked_at_when_its_model_is_gone(tmp_path: Path) -> None:
    gone = ModelSpec(source="folder", name=str(tmp_path / "gone"), head="fresh")
    assert choose_head(gone, data("bad", "good")).notes == []
